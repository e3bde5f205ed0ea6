// Command bench prints the measurements, each beside the naive design or a floor
// taken in the same run: machines are noisy, and only ratios last.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/storm"
)

const latency = 200 * time.Millisecond

func main() {
	rounds := flag.Int("rounds", 200, "rounds of each storm")
	people := flag.Int("people", 20000, "people of the fleet")
	flag.Parse()
	helper := os.Getenv("OCI_OIDC_HELPER")
	if helper == "" {
		fail("OCI_OIDC_HELPER names no helper; run make bench")
	}
	if err := storms(helper, *rounds); err != nil {
		fail(err)
	}
	if err := fleet(*people); err != nil {
		fail(err)
	}
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, "bench:", reason)
	os.Exit(1)
}

func storms(helper string, rounds int) error {
	fmt.Printf("\nRefresh storms: the token has expired, the domain takes %s, refresh tokens are one-time\n", latency)
	fmt.Printf("%-34s %7s %14s %9s %17s %9s %17s\n", "", "rounds", "requests/round", "failures", "wall ÷ refresh", "killed", "lost (in flight)")
	for _, row := range []struct {
		name string
		storm.Options
		naive bool
	}{
		{"100 calls in one process", storm.Options{Processes: 1, Calls: 100}, false},
		{"  naive", storm.Options{Processes: 1, Calls: 100}, true},
		{"50 processes", storm.Options{Processes: 50, Calls: 1}, false},
		{"  naive", storm.Options{Processes: 50, Calls: 1}, true},
		{"50 processes, 5 killed with -9", storm.Options{Processes: 50, Calls: 1, Kill: 5}, false},
	} {
		if err := printStorm(helper, row.name, row.Options, rounds, row.naive); err != nil {
			return err
		}
	}
	return nil
}

func printStorm(helper, name string, o storm.Options, rounds int, naive bool) error {
	home, err := os.MkdirTemp("", "storm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	o.Helper, o.Home, o.Latency = helper, home, latency
	s, err := storm.Begin(o)
	if err != nil {
		return err
	}
	defer s.End()
	var (
		walls                                      []time.Duration
		requests, failures, killed, lost, inFlight int
	)
	for range rounds {
		round, err := oneRound(s, naive)
		if err != nil {
			return err
		}
		walls = append(walls, round.Wall)
		requests += round.Requests
		killed += round.Killed
		if !round.InFlight {
			failures += len(round.Failures)
		}
		if round.Lost && round.InFlight {
			inFlight++
		} else if round.Lost {
			lost++
		}
	}
	slices.SortFunc(walls, cmp.Compare)
	fmt.Printf("%-34s %7d %14.2f %9d %8.2f (p90 %4.2f) %8d %8d (%d)\n", name, rounds, float64(requests)/float64(rounds), failures,
		ratio(walls[len(walls)/2]), ratio(walls[len(walls)*9/10]), killed, lost, inFlight)
	return nil
}

func oneRound(s *storm.Storm, naive bool) (storm.Round, error) {
	if naive {
		return s.Naive(s.Processes * s.Calls)
	}
	return s.Round()
}

func ratio(wall time.Duration) float64 { return float64(wall) / float64(latency) }

// fleet runs the simulation, which is a test because virtual time belongs to one.
func fleet(people int) error {
	command := exec.Command("go", "test", "./bench/fleet", "-count=1", "-run=TestDay", "-v", "-timeout=30m",
		"-table", "-people="+strconv.Itoa(people))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}
