package measure

import (
	"errors"
	"testing"
)

func TestAlternate(t *testing.T) {
	calls := map[string]int{}
	subject := func(name string, values ...float64) Subject {
		return Subject{name, func() ([]float64, error) { calls[name]++; return values, nil }}
	}
	samples, err := Alternate(5, []Subject{subject("floor", 2, 10), subject("ours", 3, 20)})
	if err != nil || calls["floor"] != 6 || calls["ours"] != 6 || len(samples[0][0]) != 5 {
		t.Fatalf("%v, %v, %v", err, calls, samples)
	}
	if ratio := samples[1][0].Against(samples[0][0]).Median(); ratio != 1.5 {
		t.Errorf("the ratio is %v", ratio)
	}
	broken := Subject{"broken", func() ([]float64, error) { return nil, errors.New("no") }}
	if _, err := Alternate(1, []Subject{broken}); err == nil {
		t.Error("no error for a subject that cannot be measured")
	}
}

func TestQuantile(t *testing.T) {
	s := Sample{4, 1, 3, 2, 5}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.75: 4, 0.9: 4.6, 1: 5} {
		if got := s.Quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}
