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
	agentSteps   = 25
	streamChunks = 2000
	runLimit     = 3 * time.Minute
)

// A source is a way in which the real OpenCode gets its token.
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
	if len(request.Messages) > 0 && strings.Contains(request.Messages[len(request.Messages)-1].Text, "stream") && len(request.Tools) > 0 {
		return domaintest.ChatAnswer{Text: strings.Repeat("word ", streamChunks) + domaintest.Greet(request).Text}
	}
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

// configure writes opencode.json: with our plugin, another one, or a key, and after it
// a plugin that watches the requests, if watch names one.
func (s source) configure(watch string, plugins ...string) error {
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
	if watch != "" {
		plugins = append(plugins, watch)
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

// configureAlone writes an opencode.json that only names the plugin.
func (s source) configureAlone() error {
	root, err := opencode.Root()
	if err != nil {
		return err
	}
	return s.home.WriteConfig(map[string]any{"plugin": []string{"file://" + filepath.Join(root, shim)}})
}

// start is [source.starts] with one model that was saved an hour ago.
func (s source) start() (figures []float64, err error) {
	return s.starts(endpoint.Models{domaintest.DefaultModel: {}}, time.Now().Add(-time.Hour), "oci-oidc/"+domaintest.DefaultModel)
}

// starts starts OpenCode until it lists its models, with those that the endpoint had at
// a time, if any, and returns the time on the clock in seconds.
func (s source) starts(saved endpoint.Models, at time.Time, listed string) (figures []float64, err error) {
	if saved != nil {
		if err := tokens.OpenModels(s.Places, s.Config, s.Config.Endpoints()[0]).Save(saved, at); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	command := s.home.Command(ctx, "models", "oci-oidc")
	began := time.Now()
	output, err := command.CombinedOutput()
	took := time.Since(began)
	if err == nil && !strings.Contains(string(output), listed) {
		err = errors.New("it does not list the saved model")
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
		if err := s.configure("", plugins[i]...); err != nil {
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

// streams measures what the plugin adds to a long answer that comes in small chunks.
func streams(b *bench) error {
	sources, err := b.sources("a static key", "a static key, the same again", "this plugin")
	if err != nil {
		return err
	}
	plugins := [][]string{nil, nil, {shim}}
	var subjects []measure.Subject
	for i, s := range sources {
		defer s.Close()
		if err := s.configure("bench/peers/streamwatch.mjs", plugins[i]...); err != nil {
			return err
		}
		file := filepath.Join(s.home.Dir, "stream")
		s.home.Environ = append(s.home.Environ, "BENCH_STREAM="+file)
		subjects = append(subjects, measure.Subject{Name: s.name, Once: func() ([]float64, error) {
			if err := os.RemoveAll(file); err != nil {
				return nil, err
			}
			run, err := s.run("stream")
			if err != nil {
				return nil, err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			var first, last float64
			if _, err := fmt.Sscan(string(text), &first, &last); err != nil {
				return nil, fmt.Errorf("no long answer was watched: %w", err)
			}
			return []float64{first, last, run[0]}, nil
		}})
	}
	samples, err := measure.Alternate(b.rounds(24), subjects)
	if err != nil {
		return err
	}
	for figure, section := range []report.Section{
		{Name: "stream-first", Title: "A streamed answer, its first chunk", About: fmt.Sprintf("An answer of %d chunks in a real OpenCode: from its call of fetch.", streamChunks)},
		{Name: "stream-last", Title: "The same, its last chunk", Short: "OpenCode itself, whose control differs as much from one run to the next."},
		{Name: "stream-cpu", Title: "The same, CPU time of the whole run"},
	} {
		unit, wanted := "ms", "≤ 1.02"
		if figure == 2 {
			unit, wanted = "s", "≤ 1.05"
		}
		for i, s := range sources {
			row := report.Row{Name: s.name, Value: fmt.Sprintf("%.2f %s", samples[i][figure].Median(), unit), Ratio: samples[i][figure].Against(samples[0][figure])}
			switch i {
			case 1:
				row.Note = "A/A control"
			case 2:
				row.Wanted = wanted
			}
			section.Rows = append(section.Rows, row)
		}
		b.show(section)
	}
	return nil
}

// catalogueModels is how many models a large endpoint lists.
const catalogueModels = 500

// catalogue measures OpenCode's start with a long list of models: in the configuration,
// and from the plugin.
func catalogue(b *bench) error {
	sources, err := b.sources("without the plugin, in opencode.json", "the same again", "the same with a plugin that reads a file", "this plugin, one model", fmt.Sprintf("this plugin, %d models", catalogueModels))
	if err != nil {
		return err
	}
	root, err := opencode.Root()
	if err != nil {
		return err
	}
	written, many := map[string]any{}, endpoint.Models{}
	for i := range catalogueModels {
		name := fmt.Sprintf("model-%03d", i)
		written[name] = map[string]any{"name": name}
		many[name] = endpoint.Model{}
	}
	var subjects []measure.Subject
	for i, s := range sources {
		defer s.Close()
		models, listed := many, "oci-oidc/model-499"
		if i < 3 {
			models = nil
			plugins := []string{}
			if i == 2 {
				plugins = []string{"file://" + filepath.Join(root, inProcess)}
			}
			err = s.home.WriteConfig(map[string]any{"plugin": plugins, "provider": map[string]any{"oci-oidc": map[string]any{
				"npm": "@ai-sdk/openai-compatible", "name": "Models", "models": written,
				"options": map[string]any{"baseURL": s.Config.BaseURL, "apiKey": "unused"},
			}}})
		} else {
			err = s.configureAlone()
		}
		if err != nil {
			return err
		}
		if i == 3 {
			models, listed = endpoint.Models{domaintest.DefaultModel: {}}, "oci-oidc/"+domaintest.DefaultModel
		}
		subjects = append(subjects, measure.Subject{Name: s.name, Once: func() ([]float64, error) { return s.starts(models, time.Now(), listed) }})
	}
	samples, err := measure.Alternate(b.rounds(24), subjects)
	if err != nil {
		return err
	}
	section := report.Section{
		Name: "catalogue", Title: fmt.Sprintf("OpenCode's start with %d models", catalogueModels),
		About: `On the clock: "opencode models oci-oidc", warm, with a session and a fresh list.`,
		Short: "OpenCode's own start, which differs by more than the limit from one time to the next.",
	}
	for i, s := range sources {
		more := (samples[i][0].Median() - samples[0][0].Median()) * 1000
		row := report.Row{Name: s.name, Value: fmt.Sprintf("%.2f s", samples[i][0].Median()), Ratio: samples[i][0].Against(samples[0][0]), Note: fmt.Sprintf("%+.0f ms", more)}
		switch i {
		case 1:
			row.Note += "; A/A control"
		case 3, 4:
			row.Wanted = "≤ +50 ms"
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
		if err := s.configure("bench/peers/stopwatch.mjs", plugins[i]...); err != nil {
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
			row.Wanted = "p50 ≤ 0.05, p99 ≤ 0.25, first ≤ 0.3 ms"
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

// firstRun measures OpenCode's first start in an empty home, where it installs its own
// @opencode-ai/plugin if any plugin is configured.
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
	if err := s.configure("", plugins...); err != nil {
		return 0, err
	}
	figures, err := s.run("hi")
	if err != nil {
		return 0, err
	}
	return figures[1], nil
}
