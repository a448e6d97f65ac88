"""Layers of an image: the file that a running container would see at a path."""

from __future__ import annotations

import io
import tarfile

import pytest

from moorage.toolchain.errors import SourceUnavailable
from moorage.toolchain.images import Descriptor
from moorage.toolchain.layers import extract_from_layers


class Image:
    """Layers, the lowest first: lists of (name, content); ``-> x`` is a symbolic link, ``=> x`` a hard."""

    def __init__(self, folder, *layers):
        self.descriptors, self.fetched = [], []
        self._paths = {}
        for number, entries in enumerate(layers):
            path = folder / f"layer{number}.tar.gz"
            with tarfile.open(path, "w:gz") as tar:
                for name, content in entries:
                    entry = tarfile.TarInfo(name)
                    if isinstance(content, str):
                        entry.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                        entry.linkname = content[3:]
                    elif content is None:
                        entry.type = tarfile.DIRTYPE
                    entry.size = len(content) if isinstance(content, bytes) else 0
                    tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
            descriptor = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", f"layer{number}", 0)
            self.descriptors.append(descriptor)
            self._paths[descriptor.digest] = path

    async def fetch(self, layer):
        self.fetched.append(layer.digest)
        return self._paths[layer.digest]

    async def read(self, path, out):
        await extract_from_layers(self.descriptors, path, out, self.fetch)
        return out.read_bytes()


async def test_the_uppermost_layer_wins_and_lower_ones_are_not_even_fetched(tmp_path):
    image = Image(tmp_path, [("bin/tool", b"old")], [("./bin/tool", b"new")])
    assert await image.read("/bin/tool", tmp_path / "out") == b"new"
    assert image.fetched == ["layer1"]


async def test_a_file_in_the_lowest_layer_is_found(tmp_path):
    image = Image(tmp_path, [("tool", b"base")], [("etc/x", b"")], [("etc/y", b"")])
    assert await image.read("/tool", tmp_path / "out") == b"base"


@pytest.mark.parametrize("whiteout", ["bin/.wh.tool", ".wh.bin", "bin/.wh..wh..opq", ".wh..wh..opq"])
async def test_what_an_upper_layer_removed_is_gone(tmp_path, whiteout):
    image = Image(tmp_path, [("bin/tool", b"old")], [(whiteout, b"")])
    with pytest.raises(SourceUnavailable, match="no file /bin/tool"):
        await image.read("/bin/tool", tmp_path / "out")


@pytest.mark.parametrize("whiteout", ["bin/.wh..wh..opq", "bin/.wh.tool2", ".wh.tool"])
async def test_a_layer_that_hides_what_is_below_still_shows_its_own(tmp_path, whiteout):
    image = Image(tmp_path, [("bin/tool", b"old")], [(whiteout, b""), ("bin/tool", b"new")])
    assert await image.read("/bin/tool", tmp_path / "out") == b"new"


async def test_a_whiteout_of_another_file_hides_nothing_of_this_one(tmp_path):
    image = Image(tmp_path, [("bin/tool", b"old")], [("bin/.wh.other", b""), ("sbin/.wh..wh..opq", b"")])
    assert await image.read("/bin/tool", tmp_path / "out") == b"old"


@pytest.mark.parametrize("target", ["tool-1.2", "/opt/tool-1.2", "../opt/tool-1.2", "../../../opt/tool-1.2"])
async def test_a_link_is_followed_inside_the_image(tmp_path, target):
    image = Image(
        tmp_path, [("bin/tool-1.2", b"it"), ("opt/tool-1.2", b"it")], [("bin/tool", f"-> {target}")]
    )
    assert await image.read("/bin/tool", tmp_path / "out") == b"it"


async def test_a_folder_that_is_a_link_leads_on(tmp_path):
    """Debian's /bin is a link to /usr/bin: a file copied to /bin is stored below /usr/bin."""
    image = Image(tmp_path, [("bin", "-> usr/bin"), ("usr/bin", None)], [("usr/bin/tool", b"it")])
    assert await image.read("/bin/tool", tmp_path / "out") == b"it"


async def test_a_hard_link_is_the_file_of_its_layer(tmp_path):
    image = Image(tmp_path, [("other", b"wrong")], [("other", b"right"), ("tool", "=> other")])
    assert await image.read("/tool", tmp_path / "out") == b"right"


async def test_a_hard_link_to_nothing_is_said(tmp_path):
    image = Image(tmp_path, [("tool", "=> other")])
    with pytest.raises(SourceUnavailable, match="link to nothing"):
        await image.read("/tool", tmp_path / "out")


async def test_links_in_a_circle_end(tmp_path):
    image = Image(tmp_path, [("a", "-> b"), ("b", "-> a")])
    with pytest.raises(SourceUnavailable, match="circle"):
        await image.read("/a", tmp_path / "out")


async def test_a_link_out_of_the_image_stays_in_it(tmp_path):
    (tmp_path / "secret").write_text("of this machine")
    image = Image(tmp_path, [("tool", f"-> {tmp_path}/secret")])
    with pytest.raises(SourceUnavailable, match="no file /tool"):
        await image.read("/tool", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_folder_at_the_path_is_not_the_file(tmp_path):
    image = Image(tmp_path, [("tool", None)])
    with pytest.raises(SourceUnavailable, match="no file /tool"):
        await image.read("/tool", tmp_path / "out")


async def test_a_layer_in_a_form_that_this_python_cannot_read_is_named(tmp_path):
    image = Image(tmp_path, [("tool", b"x")])
    path = await image.fetch(image.descriptors[0])
    path.write_bytes(b"\x28\xb5\x2f\xfd not really zstd")
    zstd = Descriptor("application/vnd.oci.image.layer.v1.tar+zstd", "layer0", 0)
    with pytest.raises(SourceUnavailable, match=r"layer layer0 cannot be unpacked: zstd"):
        await extract_from_layers([zstd], "/tool", tmp_path / "out", image.fetch)
