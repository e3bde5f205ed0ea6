package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/machine"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
)

const (
	weekHours    = 7 * 24
	callsPerHour = 120
	directories  = 10
)

// memory measures what a helper keeps resident.
func memory(b *bench) error {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.skip("Memory", "this system has no /proc")
		return nil
	}
	fresh, err := b.machine.StartHelper(b.helper)
	if err != nil {
		return err
	}
	defer fresh.Kill()
	if _, err := fresh.GetToken(); err != nil {
		return err
	}
	atStart, err := resident(fresh)
	if err != nil {
		return err
	}
	// A week of hourly refreshes; the half of it first, to see whether it grows.
	var after [2]float64
	for half := range after {
		for range weekHours / 2 {
			if _, err := fresh.Call("refresh"); err != nil {
				return err
			}
			for range callsPerHour {
				if _, err := fresh.GetToken(); err != nil {
					return err
				}
			}
		}
		if after[half], err = resident(fresh); err != nil {
			return err
		}
	}
	together := 0.0
	for range directories {
		one, err := b.machine.StartHelper(b.helper)
		if err != nil {
			return err
		}
		defer one.Kill()
		if _, err := one.GetToken(); err != nil {
			return err
		}
		size, err := resident(one)
		if err != nil {
			return err
		}
		together += size
	}
	mega := func(size float64) string { return fmt.Sprintf("%.1f MB", size) }
	b.show(report.Section{
		Name: "memory", Title: "Resident memory of a helper",
		About: fmt.Sprintf("After its first token; after a week's worth of refreshes (%d) and calls (%d), against half a week; and of %d helpers, a directory each.", weekHours, weekHours*callsPerHour, directories),
		Rows: []report.Row{
			{Name: "after the first token", Value: mega(atStart), Wanted: "≤ 8 MB"},
			{Name: "after half a week", Value: mega(after[0])},
			{Name: "after a week", Value: mega(after[1]), Ratio: measure.Sample{after[1] / after[0]}, Wanted: "flat"},
			{Name: fmt.Sprintf("%d directories together", directories), Value: mega(together), Note: "shared pages counted in each"},
		},
	})
	return nil
}

var residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is the resident memory of a helper's process, in MB.
func resident(h *machine.Helper) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Process().Pid))
	if err != nil {
		return 0, err
	}
	found := residentLine.FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("no VmRSS for process %d", h.Process().Pid)
	}
	kilo, err := strconv.ParseFloat(string(found[1]), 64)
	return kilo / 1024, err
}

// size tells how large the program is, on the disk and as it travels.
func size(b *bench) error {
	program, err := os.ReadFile(b.helper)
	if err != nil {
		return err
	}
	hello, err := os.ReadFile(b.peer("hello"))
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if _, err := w.Write(program); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	mega := func(n int) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }
	b.show(report.Section{
		Name: "size", Title: "Size of the helper", About: "Against a program in Go that prints a line.",
		Rows: []report.Row{
			{Name: "Go hello", Value: mega(len(hello)), Ratio: measure.Sample{1}},
			{Name: "on the disk", Value: mega(len(program)), Ratio: measure.Sample{float64(len(program)) / float64(len(hello))}, Wanted: "≤ 9 MB"},
			{Name: "packed", Value: mega(packed.Len()), Wanted: "≤ 4 MB"},
		},
	})
	return nil
}

var benchmarkLine = regexp.MustCompile(`BenchmarkGetToken\S*\s+\d+\s+([\d.]+) ns/op\s+\d+ B/op\s+(\d+) allocs/op`)

// calls measures a call inside the program, without a process on the other side.
func calls(b *bench) error {
	output, err := goTest("./rpc", "-run=^$", "-bench=^BenchmarkGetToken$", "-benchmem", "-count="+strconv.Itoa(b.rounds(10)))
	if err != nil {
		return err
	}
	var took measure.Sample
	allocations := ""
	for _, found := range benchmarkLine.FindAllStringSubmatch(output, -1) {
		nanoseconds, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			return err
		}
		took, allocations = append(took, nanoseconds/1000), found[2]
	}
	if len(took) == 0 {
		return fmt.Errorf("BenchmarkGetToken printed nothing: %s", strings.TrimSpace(output))
	}
	b.show(report.Section{
		Name: "calls", Title: "getToken inside the helper, jsonrpc2 included", About: "From the line that comes in to the line that goes out, over pipes in memory.",
		Rows: []report.Row{
			{Name: "time", Value: fmt.Sprintf("%.1f µs", took.Median()), Count: len(took), Wanted: "≤ 12 µs",
				Note: fmt.Sprintf("p10–p90 %.1f–%.1f µs", took.Quantile(0.1), took.Quantile(0.9))},
			{Name: "allocations", Value: allocations, Wanted: "≤ 50"},
		},
	})
	return nil
}
