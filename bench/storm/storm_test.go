package storm

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// helperProgram builds the helper, unless make has.
func helperProgram(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("OCI_OIDC_HELPER"); program != "" {
		if _, err := os.Stat(program); err == nil {
			return program
		}
	}
	program := filepath.Join(t.TempDir(), "oci-oidc-helper")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, "../../cmd/oci-oidc-helper")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

func begin(t *testing.T, o Options) *Storm {
	t.Helper()
	o.Helper, o.Home, o.Latency = helperProgram(t), t.TempDir(), 200*time.Millisecond
	s, err := Begin(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.End)
	return s
}

// Fifty processes, or 100 calls in one process, send one request to the domain.
func TestOneRefresh(t *testing.T) {
	for _, o := range []Options{{Processes: 50, Calls: 1}, {Processes: 1, Calls: 100}} {
		s := begin(t, o)
		for range 5 {
			round, err := s.Round()
			if err != nil {
				t.Fatal(err)
			}
			if round.Requests != 1 || round.Answers != o.Processes*o.Calls || len(round.Failures) > 0 {
				t.Errorf("%d processes, %d calls: %+v", o.Processes, o.Calls, round)
			}
		}
	}
}

// A killed process ends no session, unless it was killed during a refresh.
func TestKilledProcesses(t *testing.T) {
	s := begin(t, Options{Processes: 10, Calls: 1, Kill: 3})
	for range 10 {
		round, err := s.Round()
		if err != nil {
			t.Fatal(err)
		}
		if (round.Lost || len(round.Failures) > 0) && !round.InFlight {
			t.Errorf("%+v", round)
		}
	}
}
