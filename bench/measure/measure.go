// Package measure takes measurements of several subjects in turn, so that whatever
// else the machine does meets all of them alike, and compares them round by round:
// times come and go, ratios last.
package measure

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Subject is one of the things compared. Once measures it one time and returns
// as many figures as the others do, each in a unit of the caller's.
type Subject struct {
	Name string
	Once func() ([]float64, error)
}

// A Sample is one figure of one subject, a value a round.
type Sample []float64

// Alternate measures every subject once a round, in a new order each time, after a
// round that does not count. It returns the samples by subject and figure.
func Alternate(rounds int, subjects []Subject) (samples [][]Sample, err error) {
	samples = make([][]Sample, len(subjects))
	for round := range rounds + 1 {
		for _, i := range rand.Perm(len(subjects)) {
			figures, err := subjects[i].Once()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subjects[i].Name, err)
			}
			if round == 0 {
				samples[i] = make([]Sample, len(figures))
				continue
			}
			for f, value := range figures {
				samples[i][f] = append(samples[i][f], value)
			}
		}
	}
	return samples, nil
}

// Against returns s as multiples of a floor that was measured in the same rounds.
func (s Sample) Against(floor Sample) Sample {
	ratios := make(Sample, len(s))
	for i := range s {
		ratios[i] = s[i] / floor[i]
	}
	return ratios
}

// Median returns the middle value.
func (s Sample) Median() float64 { return s.Quantile(0.5) }

// Quantile returns the value below which the fraction q of the sample is.
func (s Sample) Quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
