package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/machine"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	agentSteps = 25
	runLimit   = 3 * time.Minute
)

// A source is where the real OpenCode has its token from.
type source struct {
	name string
	home *opencode.Home
	*machine.Machine
}

// sources are the ways to a token that are compared: each on a machine of its own.
func (b *bench) sources(names ...string) (all []source, err error) {
	for _, name := range names {
		dir, err := os.MkdirTemp(b.machine.Home, "opencode-")
		if err != nil {
			return nil, err
		}
		home, err := opencode.NewHome(dir, opencode.Latest)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), runLimit)
		err = home.Prepare(ctx, filepath.Join(b.build, "e2e", "opencode-"+opencode.Latest))
		cancel()
		if err != nil {
			return nil, err
		}
		m, err := machine.New(dir, domaintest.Options{Chat: agent})
		if err != nil {
			return nil, err
		}
		if err := m.SignIn(); err != nil {
			return nil, err
		}
		home.Environ = append(home.Environ, "OCI_OIDC_HELPER="+b.helper, "BENCH_TOKENS="+tokens.Open(m.Places, m.Config).Path(), "BENCH_ENDPOINT="+m.Config.BaseURL)
		all = append(all, source{name, home, m})
	}
	return all, nil
}

// agent answers as a model does that uses a tool a number of times.
func agent(request domaintest.ChatRequest) domaintest.ChatAnswer {
	steps := 0
	for _, message := range request.Messages {
		if message.Role == "tool" {
			steps++
		}
	}
	work := len(request.Messages) > 0 && strings.Contains(request.Messages[len(request.Messages)-1].Text, "work") || steps > 0
	if !work || steps >= agentSteps || len(request.Tools) == 0 {
		return domaintest.Greet(request)
	}
	return domaintest.ChatAnswer{ToolCalls: []domaintest.ToolCall{{Name: "bash", Arguments: json.RawMessage(`{"command":"true","description":"Does nothing"}`)}}}
}

// configure writes what OpenCode is told: our plugin, another one, or a key.
func (s source) configure(stopwatch bool, plugins ...string) error {
	tokens, _, err := tokens.Open(s.Places, s.Config).Load()
	if err != nil {
		return err
	}
	provider := map[string]any{
		"npm": "@ai-sdk/openai-compatible", "name": "Models",
		"models": map[string]any{domaintest.DefaultModel: map[string]any{"name": "Stand-in"}},
	}
	if len(plugins) == 0 {
		provider["options"] = map[string]any{"baseURL": s.Config.BaseURL, "apiKey": tokens.Access.Reveal()}
	}
	root, err := opencode.Root()
	if err != nil {
		return err
	}
	if stopwatch {
		plugins = append(plugins, "bench/peers/stopwatch.mjs")
	}
	entries := []string{}
	for _, plugin := range plugins {
		entries = append(entries, "file://"+filepath.Join(root, plugin))
	}
	return s.home.WriteConfig(map[string]any{
		"plugin": entries, "model": "oci-oidc/" + domaintest.DefaultModel, "permission": "allow",
		"provider": map[string]any{"oci-oidc": provider},
	})
}

// run runs OpenCode and returns its CPU time and the time on the clock, in seconds.
func (s source) run(prompt string) (figures []float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	command := s.home.Command(ctx, "run", prompt)
	began := time.Now()
	output, err := command.CombinedOutput()
	if err == nil && !strings.Contains(string(output), "your token is valid") {
		err = errors.New("it has no answer")
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	cpu := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return []float64{cpu.Seconds(), time.Since(began).Seconds()}, nil
}

// startUp measures how long a person waits for OpenCode's start, with models that are
// kept and old, so that the endpoint is asked for newer ones each time.
func startUp(b *bench) error {
	sources, err := b.sources("the endpoint is up", "the same again", "it takes the request and never answers", "it refuses the connection, as the domain does")
	if err != nil {
		return err
	}
	var subjects []measure.Subject
	for i, s := range sources {
		defer s.Close()
		if err := s.configureAlone(); err != nil {
			return err
		}
		switch i {
		case 2:
			s.Server.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Stall})
		case 3:
			s.Server.Close()
		}
		subjects = append(subjects, measure.Subject{Name: s.name, Once: s.start})
	}
	samples, err := measure.Alternate(b.rounds(24), subjects)
	if err != nil {
		return err
	}
	section := report.Section{
		Name: "startup", Title: "OpenCode's start, with models of the endpoint",
		About: `On the clock: "opencode models oci-oidc", with a session and a list that is kept and old.`,
	}
	for i, s := range sources {
		row := report.Row{Name: s.name, Value: fmt.Sprintf("%.2f s", samples[i][0].Median()), Ratio: samples[i][0].Against(samples[0][0])}
		if i == 1 {
			row.Note = "A/A control"
		} else if i > 1 {
			row.Wanted = "as the control"
		}
		section.Rows = append(section.Rows, row)
	}
	b.show(section)
	return nil
}

// configureAlone writes what a person writes who names the plugin and nothing else.
func (s source) configureAlone() error {
	root, err := opencode.Root()
	if err != nil {
		return err
	}
	return s.home.WriteConfig(map[string]any{"plugin": []string{"file://" + filepath.Join(root, shim)}})
}

// start starts OpenCode as far as its list of models, and returns the time on the
// clock in seconds.
func (s source) start() (figures []float64, err error) {
	kept := endpoint.Models{domaintest.DefaultModel: {}}
	if err := tokens.OpenModels(s.Places, s.Config).Save(kept, time.Now().Add(-time.Hour)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	command := s.home.Command(ctx, "models", "oci-oidc")
	began := time.Now()
	output, err := command.CombinedOutput()
	took := time.Since(began)
	if err == nil && !strings.Contains(string(output), "oci-oidc/"+domaintest.DefaultModel) {
		err = errors.New("it does not list the model that is kept")
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	return []float64{took.Seconds()}, nil
}

const (
	shim      = "npm-shim"
	inProcess = "bench/peers/plugin.mjs"
)

// runs measures a whole run of OpenCode.
func runs(b *bench) error {
	sources, err := b.sources("a static key", "a static key, the same again", "a plugin that reads a file", "this plugin")
	if err != nil {
		return err
	}
	plugins := [][]string{nil, nil, {inProcess}, {shim}}
	var subjects []measure.Subject
	for i, s := range sources {
		defer s.Close()
		if err := s.configure(false, plugins[i]...); err != nil {
			return err
		}
		subjects = append(subjects, measure.Subject{Name: s.name, Once: func() ([]float64, error) { return s.run("hi") }})
	}
	samples, err := measure.Alternate(b.rounds(36), subjects)
	if err != nil {
		return err
	}
	section := report.Section{
		Name: "run", Title: `A whole "opencode run", in CPU time`,
		About: "Against a key in the configuration. CPU time, that of the helper included, since the time on the clock is mostly that of whatever else the machine does.",
	}
	for i, s := range sources {
		row := report.Row{Name: s.name, Value: fmt.Sprintf("%.2f s", samples[i][0].Median()), Ratio: samples[i][0].Against(samples[0][0]),
			Note: fmt.Sprintf("%.2f s on the clock", samples[i][1].Median())}
		switch i {
		case 1:
			row.Note += "; A/A control"
		case 3:
			row.Wanted = "≤ 1.05"
		}
		section.Rows = append(section.Rows, row)
	}
	b.show(section)
	return nil
}

// wait measures how long requests wait for their token inside fetch.
func wait(b *bench) error {
	sources, err := b.sources("a constant", "a plugin that reads a file", "this plugin")
	if err != nil {
		return err
	}
	plugins := [][]string{nil, {inProcess}, {shim}}
	waits, first := make([]measure.Sample, len(sources)), make([]measure.Sample, len(sources))
	var subjects []measure.Subject
	for i, s := range sources {
		defer s.Close()
		if err := s.configure(true, plugins[i]...); err != nil {
			return err
		}
		file := filepath.Join(s.home.Dir, "waits")
		s.home.Environ = append(s.home.Environ, "BENCH_WAITS="+file)
		subjects = append(subjects, measure.Subject{Name: s.name, Once: func() ([]float64, error) {
			if err := os.RemoveAll(file); err != nil {
				return nil, err
			}
			if _, err := s.run("work"); err != nil {
				return nil, err
			}
			run, err := readWaits(file)
			if err != nil {
				return nil, err
			}
			waits[i], first[i] = append(waits[i], run...), append(first[i], run[0])
			return nil, nil
		}})
	}
	rounds := b.rounds(6)
	if _, err := measure.Alternate(rounds, subjects); err != nil {
		return err
	}
	section := report.Section{
		Name: "wait", Title: "The wait for a token inside fetch",
		About: fmt.Sprintf("In a real agent run of %d steps: from OpenCode's call of fetch to the request's leaving. %d runs each, in turn.", agentSteps, rounds+1),
	}
	for i, s := range sources {
		row := report.Row{Name: s.name, Value: fmt.Sprintf("%.3f ms", waits[i].Median()), Count: len(waits[i]),
			Note: fmt.Sprintf("p90 %.3f, p99 %.3f, first request %.3f ms", waits[i].Quantile(0.9), waits[i].Quantile(0.99), first[i].Median())}
		if i == 2 {
			row.Wanted = "p50 ≤ 0.05, p99 ≤ 0.2, first ≤ 0.2 ms"
		}
		section.Rows = append(section.Rows, row)
	}
	b.show(section)
	return nil
}

func readWaits(file string) (waits measure.Sample, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		wait, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err != nil {
			return nil, err
		}
		waits = append(waits, wait)
	}
	if len(waits) < agentSteps {
		return nil, fmt.Errorf("only %d requests were made", len(waits))
	}
	return waits, nil
}

// firstRun measures OpenCode's first start in a home in which nothing is, where it
// installs its own @opencode-ai/plugin as soon as any plugin is configured.
func firstRun(b *bench) error {
	section := report.Section{
		Name: "first", Title: "The first start in an empty home",
		About: "On the clock, once each. What is installed comes from the registry that npm is set to; a registry that refuses is a closed port.",
	}
	for _, row := range []struct {
		name     string
		plugins  []string
		environ  []string
		prepared bool
	}{
		{name: "without a plugin"},
		{name: "this plugin", plugins: []string{shim}},
		{name: "this plugin, with what OpenCode installs laid in", plugins: []string{shim}, prepared: true},
		{name: "this plugin, where the registry refuses", plugins: []string{shim}, environ: []string{"npm_config_registry=http://127.0.0.1:9/"}},
	} {
		took, err := b.firstRun(row.plugins, row.environ, row.prepared)
		if err != nil {
			return err
		}
		section.Rows = append(section.Rows, report.Row{Name: row.name, Value: fmt.Sprintf("%.1f s", took), Count: 1})
	}
	b.show(section)
	return nil
}

func (b *bench) firstRun(plugins, environ []string, prepared bool) (seconds float64, err error) {
	sources, err := b.sources("first")
	if err != nil {
		return 0, err
	}
	s := sources[0]
	defer s.Close()
	if !prepared {
		for _, name := range []string{"node_modules", "package.json", "package-lock.json", "bun.lock", ".gitignore"} {
			if err := os.RemoveAll(filepath.Join(s.home.ConfigDir(), name)); err != nil {
				return 0, err
			}
		}
	}
	s.home.Environ = append(append(s.home.Environ, opencode.NPMSettings()...), environ...)
	if err := s.configure(false, plugins...); err != nil {
		return 0, err
	}
	figures, err := s.run("hi")
	if err != nil {
		return 0, err
	}
	return figures[1], nil
}
