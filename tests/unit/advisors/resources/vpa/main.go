// Asks the real recommender of the Vertical Pod Autoscaler: cases in on standard input, answers on standard output.
//
//	go run . < cases.json > answers.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/config"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
)

type pod struct {
	CPU    [][2]float64 `json:"cpu"`    // seconds of the epoch, cores
	Memory [][2]float64 `json:"memory"` // seconds of the epoch, bytes
	OOMs   []float64    `json:"ooms"`   // seconds of the epoch
}

type container struct {
	Request float64 `json:"request"` // bytes
	Pods    []pod   `json:"pods"`
}

type bounds struct {
	Target int64 `json:"target"`
	Lower  int64 `json:"lower"`
	Upper  int64 `json:"upper"`
}

type answer struct {
	CPU    bounds `json:"cpu"`    // millicores
	Memory bounds `json:"memory"` // bytes
}

type event struct {
	time   float64
	kill   bool
	memory float64
}

func at(seconds float64) time.Time {
	return time.Unix(int64(seconds), 0).UTC()
}

// feed gives a container's history to the recommender's model, as its history provider does; kills in between.
func feed(state *model.AggregateContainerState, request float64, history pod) error {
	instance := model.NewContainerState(model.Resources{}, state)
	for _, sample := range history.CPU {
		instance.AddSample(&model.ContainerUsageSample{
			MeasureStart: at(sample[0]), Usage: model.CPUAmountFromCores(sample[1]), Resource: model.ResourceCPU,
		})
	}
	events := []event{}
	for _, sample := range history.Memory {
		events = append(events, event{time: sample[0], memory: sample[1]})
	}
	for _, when := range history.OOMs {
		events = append(events, event{time: when, kill: true})
	}
	sort.SliceStable(events, func(i, j int) bool {
		if events[i].time != events[j].time {
			return events[i].time < events[j].time
		}
		return !events[i].kill && events[j].kill
	})
	for _, each := range events {
		if each.kill {
			if err := instance.RecordOOM(at(each.time), model.MemoryAmountFromBytes(request)); err != nil {
				return err
			}
			continue
		}
		instance.AddSample(&model.ContainerUsageSample{
			MeasureStart: at(each.time), Usage: model.MemoryAmountFromBytes(each.memory), Resource: model.ResourceMemory,
		})
	}
	return nil
}

func recommend(containers map[string]container) (map[string]answer, error) {
	defaults := config.DefaultRecommenderConfig()
	recommender := logic.CreatePodResourceRecommender(logic.RecommendationConfig{
		SafetyMarginFraction:       defaults.SafetyMarginFraction,
		PodMinCPUMillicores:        defaults.PodMinCPUMillicores,
		PodMinMemoryMb:             defaults.PodMinMemoryMb,
		TargetCPUPercentile:        defaults.TargetCPUPercentile,
		LowerBoundCPUPercentile:    defaults.LowerBoundCPUPercentile,
		UpperBoundCPUPercentile:    defaults.UpperBoundCPUPercentile,
		ConfidenceIntervalCPU:      defaults.ConfidenceIntervalCPU,
		TargetMemoryPercentile:     defaults.TargetMemoryPercentile,
		LowerBoundMemoryPercentile: defaults.LowerBoundMemoryPercentile,
		UpperBoundMemoryPercentile: defaults.UpperBoundMemoryPercentile,
		ConfidenceIntervalMemory:   defaults.ConfidenceIntervalMemory,
	})
	states := model.ContainerNameToAggregateStateMap{}
	for name, each := range containers {
		states[name] = model.NewAggregateContainerState()
		for _, history := range each.Pods {
			if err := feed(states[name], each.Request, history); err != nil {
				return nil, err
			}
		}
	}
	answers := map[string]answer{}
	for name, found := range recommender.GetRecommendedPodResources(states) {
		of := func(resource model.ResourceName) bounds {
			return bounds{int64(found.Target[resource]), int64(found.LowerBound[resource]), int64(found.UpperBound[resource])}
		}
		answers[name] = answer{of(model.ResourceCPU), of(model.ResourceMemory)}
	}
	return answers, nil
}

func main() {
	cases := map[string]map[string]container{}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answers := map[string]map[string]answer{}
	for name, containers := range cases {
		found, err := recommend(containers)
		if err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
		answers[name] = found
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
