"""What reports have in common, whatever they are about: words, Markdown and SARIF."""
