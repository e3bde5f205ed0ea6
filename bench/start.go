package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
)

// copies is how many copies of a program are started in turn, because the start times of a
// file and of its own copy can differ by a fifth.
const copies = 5

// A program is something that is started as a whole.
type program struct {
	name    string
	path    string // "" if the machine has none
	args    []string
	stdin   string // nothing, or lines after whose answers the time ends
	answers int    // lines on stdout, after which the time ends; 0 for the program's end
	environ []string
	silent  bool // it prints nothing
	wanted  string
	note    string
}

// start measures whole processes: what a person's prompt and other programs wait
// for, and what OpenCode waits for at the first request.
func start(b *bench) error {
	gh, credentials, err := b.peerFiles()
	if err != nil {
		return err
	}
	floor := b.peer("floor")
	err = b.starts(report.Section{
		Name: "token", Title: "A saved token, printed",
		About: "Whole processes, against a program in Go that links the same packages and prints a line. Each is started from five copies of its file in turn, where it is a file of our own.",
		Short: "half of what token takes more than the floor, version takes too: a larger program has more page faults before main. The rest is code that runs for the first time, to read the configuration and the tokens. git-credential-oauth is only started, as version is.",
	}, []program{
		{name: "the given packages", path: floor},
		{name: "the given packages, the same again", path: floor, note: "A/A control"},
		{name: "oci-oidc-helper token", path: b.helper, args: []string{"token"}, wanted: "≤ 1.25"},
		{name: "oci-oidc-helper version", path: b.helper, args: []string{"version"}},
		{name: "Go hello", path: b.peer("hello"), note: "links nothing"},
		{name: "git credential-store", path: look("git"), args: []string{"credential-store", "--file", credentials, "get"}, stdin: "protocol=https\nhost=example.com\n\n"},
		{name: "git-credential-oauth, only started", path: look("git-credential-oauth"), args: []string{"version"}, silent: true, wanted: "≥ ours"},
		{name: "kubelogin, only started", path: b.goPeer("kubelogin"), args: []string{"--version"}},
		{name: "gh auth token", path: look("gh"), args: []string{"auth", "token"}, environ: []string{"GH_CONFIG_DIR=" + gh}, wanted: "≥ 15 × ours"},
		{name: "Node, reading and printing a file", path: look("node"), args: []string{"-p", "JSON.parse(require('fs').readFileSync(process.argv[1])).accessToken", b.tokenFile()}},
	})
	if err != nil {
		return err
	}
	if err := b.beforeMain(); err != nil {
		return err
	}
	ask := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol":1}}` + "\n"
	return b.starts(report.Section{
		Name: "spawn", Title: "From spawning the helper to its answer",
		About: "What OpenCode waits for if it needs a token in the moment in which it starts the helper; against a program in Go that links the same packages and prints a line.",
		Short: "as in the table of token: page faults before main, and code that runs for the first time; the first token reads the configuration and the tokens as well.",
	}, []program{
		{name: "the given packages", path: floor, answers: 1},
		{name: "the given packages, the same again", path: floor, answers: 1, note: "A/A control"},
		{name: "initialize", path: b.helper, args: []string{"--stdio"}, stdin: ask, answers: 1, wanted: "≤ 1.5"},
		{name: "the first token", path: b.helper, args: []string{"--stdio"}, stdin: `{"jsonrpc":"2.0","id":1,"method":"getToken"}` + "\n", answers: 1, wanted: "≤ 1.5"},
		{name: "the same from a helper in Node", path: look("node"), args: []string{"bench/peers/helper.mjs", b.tokenFile()}, stdin: ask, answers: 1, wanted: "≥ 20 × ours"},
	})
}

var initLine = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, ([\d.]+) ms clock, (\d+) bytes, (\d+) allocs$`)

// beforeMain breaks the start down into the packages whose initialisation takes
// longest, and what the system does for a program of this size.
func (b *bench) beforeMain() error {
	took, about := map[string]measure.Sample{}, map[string]string{}
	rounds := b.rounds(20)
	for range rounds {
		command := exec.Command(b.helper, "version")
		command.Env = append(b.machine.Environ(), "GODEBUG=inittrace=1")
		var trace strings.Builder
		command.Stderr = &trace
		if err := command.Run(); err != nil {
			return err
		}
		all := 0.0
		for _, line := range initLine.FindAllStringSubmatch(trace.String(), -1) {
			clock, err := strconv.ParseFloat(line[2], 64)
			if err != nil {
				return err
			}
			took[line[1]] = append(took[line[1]], clock)
			about[line[1]] = line[3] + " bytes in " + line[4] + " allocations"
			all += clock
		}
		took["all of them"] = append(took["all of them"], all)
	}
	names := slices.SortedFunc(maps.Keys(took), func(a, b string) int { return cmp.Compare(took[b].Median(), took[a].Median()) })
	section := report.Section{Name: "init", Title: "Before main",
		About: fmt.Sprintf("GODEBUG=inittrace=1: the packages that take longest, of %d. Printing the trace is most of it; without it the start costs mainly page faults, which a larger program has more of.", len(names)-1)}
	for _, name := range names[:min(len(names), 10)] {
		section.Rows = append(section.Rows, report.Row{Name: name, Value: fmt.Sprintf("%.3f ms", took[name].Median()), Count: rounds, Note: about[name]})
	}
	b.show(section)
	return nil
}

func (b *bench) starts(section report.Section, programs []program) error {
	var (
		subjects []measure.Subject
		there    []program
	)
	for _, p := range programs {
		if p.path == "" {
			section.Rows = append(section.Rows, report.Row{Name: p.name, Note: "cannot be had here"})
			continue
		}
		paths, err := b.freshCopies(p.path)
		if err != nil {
			return err
		}
		turn := 0
		there = append(there, p)
		subjects = append(subjects, measure.Subject{Name: p.name, Once: func() ([]float64, error) {
			turn++
			took, err := b.time(paths[turn%len(paths)], p)
			return []float64{float64(took) / float64(time.Millisecond)}, err
		}})
	}
	samples, err := measure.Alternate(b.rounds(200), subjects)
	if err != nil {
		return err
	}
	rows := section.Rows
	section.Rows = nil
	for i, p := range there {
		section.Rows = append(section.Rows, report.Row{Name: p.name, Value: fmt.Sprintf("%.2f ms", samples[i][0].Median()),
			Ratio: samples[i][0].Against(samples[0][0]), Wanted: p.wanted, Note: p.note})
	}
	section.Rows = append(section.Rows, rows...)
	b.show(section)
	return nil
}

// freshCopies copies one of our own programs. Other programs are started in their place,
// because they may need files next to them.
func (b *bench) freshCopies(path string) ([]string, error) {
	if !strings.HasPrefix(path, b.build) {
		return []string{path}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var paths []string
	for i := range copies {
		dir, err := os.MkdirTemp(b.machine.Home, "copy-")
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, fmt.Sprint(i, "-", filepath.Base(path)))
		if err := os.WriteFile(path, text, 0o700); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// time starts a program and waits for its end, or for its first lines.
func (b *bench) time(path string, p program) (time.Duration, error) {
	command := exec.Command(path, p.args...)
	command.Env = append(b.machine.Environ(), p.environ...)
	stdin, err := command.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(stdin, p.stdin); err != nil && !errors.Is(err, os.ErrClosed) {
		return 0, err
	}
	var took time.Duration
	lines := bufio.NewReader(stdout)
	for range p.answers {
		if _, err = lines.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("no answer: %w", err)
		}
		took = time.Since(began)
	}
	_ = stdin.Close()
	said, err := io.ReadAll(lines)
	if err := errors.Join(err, command.Wait()); err != nil {
		return 0, err
	}
	if p.answers == 0 {
		took = time.Since(began)
		if len(said) == 0 && !p.silent {
			return 0, errors.New("it printed nothing")
		}
	}
	return took, nil
}

// peerFiles are what gh and git keep a token in.
func (b *bench) peerFiles() (gh, credentials string, err error) {
	gh, credentials = filepath.Join(b.machine.Home, "gh"), filepath.Join(b.machine.Home, "credentials")
	return gh, credentials, errors.Join(
		os.MkdirAll(gh, 0o700),
		os.WriteFile(filepath.Join(gh, "hosts.yml"), []byte("github.com:\n    user: maria\n    oauth_token: gho_0123456789\n    git_protocol: https\n"), 0o600),
		os.WriteFile(credentials, []byte("https://maria:0123456789@example.com\n"), 0o600),
	)
}

func look(name string) string {
	path, _ := exec.LookPath(name)
	return path
}
