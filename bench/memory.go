package main

import (
	"bytes"
	"compress/gzip"
	"errors"
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

// memory measures the resident memory of a helper.
func memory(b *bench) error {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.skip("Memory", "this system has no /proc")
		return nil
	}
	fresh, atStart, err := b.startedHelper()
	if err != nil {
		return err
	}
	defer fresh.Kill()
	// A week of hourly refreshes; the half of it first, to see whether it grows.
	var after [2]footprint
	for half := range after {
		for range weekHours / 2 {
			if err := anHour(fresh); err != nil {
				return err
			}
		}
		if after[half], err = resident(fresh.Process().Pid); err != nil {
			return err
		}
	}
	together := 0.0
	for range directories {
		one, size, err := b.startedHelper()
		if err != nil {
			return err
		}
		defer one.Kill()
		together += size.own
	}
	own := func(f footprint) string {
		return fmt.Sprintf("%.1f MB its own; the rest is the program's file, in memory once for all", f.own)
	}
	b.show(report.Section{
		Name: "memory", Title: "Resident memory of a helper",
		About: fmt.Sprintf("After its first token; after a week's worth of refreshes (%d) and calls (%d), against half a week; and of %d helpers, a directory each.", weekHours, weekHours*callsPerHour, directories),
		Short: "the program's file, of which a refresh uses more than a first token does.",
		Rows: []report.Row{
			{Name: "after the first token", Value: mega(atStart.resident), Wanted: "≤ 13 MB", Note: own(atStart)},
			{Name: "after half a week", Value: mega(after[0].resident), Note: own(after[0])},
			{Name: "after a week", Value: mega(after[1].resident), Ratio: measure.Sample{after[1].resident / after[0].resident}, Wanted: "flat, ≤ 13 MB", Note: own(after[1])},
			{Name: fmt.Sprintf("%d directories together", directories), Value: mega(together), Note: "their own"},
		},
	})
	return nil
}

// startedHelper starts a helper and returns its memory after its first token.
func (b *bench) startedHelper() (*machine.Helper, footprint, error) {
	helper, err := b.machine.StartHelper(b.helper)
	if err != nil {
		return nil, footprint{}, err
	}
	_, err = helper.GetToken()
	f, memoryErr := resident(helper.Process().Pid)
	if err := errors.Join(err, memoryErr); err != nil {
		helper.Kill()
		return nil, f, err
	}
	return helper, f, nil
}

// anHour makes the calls of an hour's work.
func anHour(helper *machine.Helper) error {
	if _, err := helper.Call("refresh"); err != nil {
		return err
	}
	for range callsPerHour {
		if _, err := helper.GetToken(); err != nil {
			return err
		}
	}
	return nil
}

// A footprint is what a process keeps in memory, in MB.
type footprint struct {
	resident float64
	own      float64 // shared with nobody: neither the program's file nor a library
}

func mega(size float64) string { return fmt.Sprintf("%.1f MB", size) }

var statusLine = regexp.MustCompile(`(VmRSS|RssAnon):\s+(\d+) kB`)

func resident(pid int) (f footprint, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return f, err
	}
	found := map[string]float64{}
	for _, line := range statusLine.FindAllStringSubmatch(string(status), -1) {
		kilo, _ := strconv.ParseFloat(line[2], 64)
		found[line[1]] = kilo / 1024
	}
	f = footprint{found["VmRSS"], found["RssAnon"]}
	if f.resident == 0 || f.own == 0 {
		return f, fmt.Errorf("no VmRSS and RssAnon for process %d", pid)
	}
	return f, nil
}

// size measures the program's size on the disk and compressed.
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
			{Name: "on the disk", Value: mega(len(program)), Ratio: measure.Sample{float64(len(program)) / float64(len(hello))}, Wanted: "≤ 12 MB"},
			{Name: "packed", Value: mega(packed.Len()), Wanted: "≤ 5 MB"},
		},
	})
	return nil
}

var benchmarkLine = regexp.MustCompile(`BenchmarkGetToken\S*\s+\d+\s+([\d.]+) ns/op\s+\d+ B/op\s+(\d+) allocs/op`)

// calls measures a getToken call in memory, without another process.
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
		Short: "jsonrpc2's reading of a message allocates 30 times, and the looks at the files of configuration and tokens 10 times.",
		Rows: []report.Row{
			{Name: "time", Value: fmt.Sprintf("%.1f µs", took.Median()), Count: len(took),
				Note: fmt.Sprintf("p10–p90 %.1f–%.1f µs", took.Quantile(0.1), took.Quantile(0.9))},
			{Name: "allocations", Value: allocations, Wanted: "≤ 50"},
		},
	})
	return nil
}
