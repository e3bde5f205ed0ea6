// Command bench measures the product. Each figure is compared with a floor or a peer
// that is measured in the same run, because on noisy machines only ratios are
// reproducible. It prints each table when it is complete, and with -write it writes all of
// them to RESULTS.md, with plots.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/machine"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// parts are what can be measured, the quick ones first.
var parts = []struct {
	name string
	run  func(*bench) error
}{
	{"size", size}, {"calls", calls}, {"wire", wire}, {"start", start}, {"memory", memory}, {"gateway", throughGateway},
	{"wait", wait}, {"storms", storms}, {"fleet", fleet}, {"run", runs}, {"stream", streams}, {"startup", startUp}, {"catalogue", catalogue}, {"first", firstRun},
}

// A bench is one run of the measurements.
type bench struct {
	helper   string
	build    string // where programs of our own are
	machine  *machine.Machine
	scale    float64
	sections []report.Section
}

func main() {
	var (
		only  = flag.String("only", "", "parts to measure, separated by commas: "+names())
		scale = flag.Float64("scale", 1, "how many rounds, as a multiple of the usual")
		write = flag.Bool("write", false, "write bench/RESULTS.md and its plots")
	)
	flag.Parse()
	if err := measureAll(*only, *scale, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func names() string {
	var all []string
	for _, part := range parts {
		all = append(all, part.name)
	}
	return strings.Join(all, ", ")
}

func measureAll(only string, scale float64, write bool) error {
	helper := os.Getenv("OCI_OIDC_HELPER")
	if helper == "" {
		return errors.New("OCI_OIDC_HELPER names no helper; run make bench")
	}
	home, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	m, err := machine.New(home, domaintest.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.SignIn(); err != nil {
		return err
	}
	b := &bench{helper: helper, build: filepath.Dir(helper), machine: m, scale: scale}
	for _, part := range parts {
		if only != "" && !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		if err := part.run(b); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if earlier, err := os.ReadFile("bench/RESULTS.md"); err == nil {
		for _, row := range report.Worse(string(earlier), b.sections) {
			fmt.Println("worse than in bench/RESULTS.md:", row)
		}
	}
	if !write {
		return nil
	}
	return report.Write("bench", b.preface(), b.sections)
}

func (b *bench) preface() string {
	version, _ := exec.Command(b.helper, "version").Output()
	return fmt.Sprintf(`Written by `+"`make bench`"+` on %s: %s, %s, %d CPUs, %s.

Each figure is a median, and each ratio the median of the ratios within one round, in which everything in the table was measured in turn. Trust ratios within one table, not times across tables.`,
		time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(version)), runtime.Version(), runtime.NumCPU(), kernel())
}

func kernel() string {
	name, err := exec.Command("uname", "-srm").Output()
	if err != nil {
		return runtime.GOOS + " " + runtime.GOARCH
	}
	return strings.TrimSpace(string(name))
}

func (b *bench) show(section report.Section) {
	section.Print(os.Stdout)
	b.sections = append(b.sections, section)
}

// skip says loudly that something was not measured.
func (b *bench) skip(title, why string) {
	b.show(report.Section{Name: "skipped", Title: title, About: "Not measured: " + why + "."})
}

// rounds returns the usual number of rounds, multiplied by -scale.
func (b *bench) rounds(usual int) int { return max(int(float64(usual)*b.scale), 2) }

// peer returns the path of a program of bench/peers.
func (b *bench) peer(name string) string { return filepath.Join(b.build, "bench", name) }

// goPeer returns the path of another project's program that make bench has built, or "".
func (b *bench) goPeer(name string) string {
	if _, err := os.Stat(b.peer(name)); err != nil {
		return ""
	}
	return b.peer(name)
}

// tokenFile returns the path of the saved tokens.
func (b *bench) tokenFile() string { return tokens.Open(b.machine.Places, b.machine.Config).Path() }

// explain adds a program's standard error to its error.
func explain(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

// goTest runs go test and returns what it printed.
func goTest(args ...string) (string, error) {
	output, err := exec.Command("go", append([]string{"test"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test %s: %w: %s", args[0], err, output)
	}
	return string(output), nil
}
