package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
)

const wireCalls = 2000 // a run, one by one; then five times as many, 100 in flight

// wire measures one getToken over stdio, from Bun as it is inside OpenCode and from
// Node, against a raw line and against jsonrpc2 as it comes.
func wire(b *bench) error {
	for _, runtime := range []string{"bun", "node"} {
		for _, pinned := range []bool{true, false} {
			if err := b.wire(runtime, pinned); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) wire(runtime string, pinned bool) error {
	command, environ, err := javaScript(runtime)
	if err != nil {
		return err
	}
	section := report.Section{
		Name:  "wire-" + runtime,
		Title: "One token over stdio, from " + strings.ToUpper(runtime[:1]) + runtime[1:],
		About: fmt.Sprintf("A run is %d calls one by one, then %d with 100 in flight. The ratio is of the median call, against a raw line of the same size.", wireCalls, 5*wireCalls),
	}
	if pinned {
		if _, err := exec.LookPath("taskset"); err != nil {
			b.skip(section.Title+", pinned", "there is no taskset")
			return nil
		}
		command = append([]string{"taskset", "-c", "0"}, command...)
		section.Name, section.Title = section.Name+"-pinned", section.Title+", both ends pinned to one CPU"
	}
	programs := []struct{ name, path, argument string }{
		{"a raw line", b.peer("raw"), ""},
		{"jsonrpc2 as it comes", b.peer("stock"), ""},
		{"this helper", b.helper, "--stdio"},
	}
	var subjects []measure.Subject
	for _, p := range programs {
		args := append(command[1:len(command):len(command)], "bench/peers/client.mjs", strconv.Itoa(wireCalls), p.path)
		if p.argument != "" {
			args = append(args, p.argument)
		}
		subjects = append(subjects, measure.Subject{Name: p.name, Once: func() (figures []float64, err error) {
			client := exec.CommandContext(context.Background(), command[0], args...)
			client.Env = append(b.machine.Environ(), environ...)
			output, err := client.Output()
			if err != nil {
				return nil, explain(err)
			}
			return figures, json.Unmarshal(output, &figures)
		}})
	}
	samples, err := measure.Alternate(b.rounds(15), subjects)
	if err != nil {
		return err
	}
	raw, stock, ours := samples[0], samples[1], samples[2]
	for i, p := range programs {
		row := report.Row{Name: p.name, Value: fmt.Sprintf("%.0f µs", samples[i][0].Median()), Ratio: samples[i][0].Against(raw[0]),
			Note: fmt.Sprintf("p99 %.0f µs, %.0f k calls/s", samples[i][1].Median(), samples[i][2].Median()/1000)}
		section.Rows = append(section.Rows, row)
	}
	last := report.Row{Name: "this helper ÷ jsonrpc2 as it comes", Ratio: ours[0].Against(stock[0])}
	if pinned && runtime == "bun" {
		last.Wanted = "≤ 1"
	}
	section.Rows = append(section.Rows, last)
	b.show(section)
	return nil
}

// javaScript is how a script is run by a runtime: Bun is the one that OpenCode's
// own program holds.
func javaScript(runtime string) (command, environ []string, err error) {
	if runtime == "node" {
		return []string{"node"}, nil, nil
	}
	program, err := opencode.Program(opencode.Latest)
	return []string{program}, []string{"BUN_BE_BUN=1"}, err
}
