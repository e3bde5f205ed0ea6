package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/storm"
)

const (
	latency = 200 * time.Millisecond // of the domain's token endpoint
	people  = 20_000                 // of the fleet
)

// storms measures many processes that need a token at the moment when it has expired.
func storms(b *bench) error {
	section := report.Section{
		Name: "storms", Title: "Refresh storms",
		About: fmt.Sprintf("The access token has expired, the domain takes %v and the time to sign its tokens to answer, and a refresh token works once. The ratio is the time until all have a token, against one answer of the domain to one bare request, in the same round.", latency),
	}
	for _, row := range []struct {
		name   string
		naive  bool
		wanted string
		storm.Options
	}{
		{name: "100 calls in one process", Options: storm.Options{Processes: 1, Calls: 100}, wanted: "≤ 1.05, 1 request"},
		{name: "the same, each for itself", Options: storm.Options{Processes: 1, Calls: 100}, naive: true},
		{name: "50 processes", Options: storm.Options{Processes: 50, Calls: 1}, wanted: "≤ 1.25, 1 request"},
		{name: "the same, each for itself", Options: storm.Options{Processes: 50, Calls: 1}, naive: true},
		{name: "50 processes, 5 killed with -9", Options: storm.Options{Processes: 50, Calls: 1, Kill: 5}},
	} {
		result, err := b.storm(row.Options, row.naive)
		if err != nil {
			return err
		}
		result.Name, result.Wanted = row.name, row.wanted
		section.Rows = append(section.Rows, result)
	}
	b.show(section)
	return nil
}

func (b *bench) storm(o storm.Options, naive bool) (report.Row, error) {
	home, err := os.MkdirTemp("", "storm-")
	if err != nil {
		return report.Row{}, err
	}
	defer os.RemoveAll(home)
	o.Helper, o.Home, o.Latency = b.helper, home, latency
	s, err := storm.Begin(o)
	if err != nil {
		return report.Row{}, err
	}
	defer s.End()
	var (
		walls, alone                               measure.Sample
		requests, failures, killed, lost, inFlight int
	)
	rounds := b.rounds(200)
	for range rounds {
		answer, err := s.Naive(1)
		if err != nil {
			return report.Row{}, err
		}
		round, err := s.Round()
		if naive {
			round, err = s.Naive(o.Processes * o.Calls)
		}
		if err != nil {
			return report.Row{}, err
		}
		alone = append(alone, answer.Wall.Seconds()*1000)
		walls = append(walls, round.Wall.Seconds()*1000)
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
	row := report.Row{Ratio: walls.Against(alone), Value: fmt.Sprintf("%.0f ms", walls.Median()),
		Note: fmt.Sprintf("%.2f requests a round, %d failures; one answer takes %.0f ms", float64(requests)/float64(rounds), failures, alone.Median())}
	if killed > 0 {
		row.Note += fmt.Sprintf("; %d killed, %d sessions lost, and %d where one was killed in the middle of a refresh", killed, lost, inFlight)
	}
	return row, nil
}

// fleet runs the simulation of a company, which is a test because virtual time
// belongs to one.
func fleet(b *bench) error {
	table := filepath.Join(b.machine.Home, "fleet.json")
	if _, err := goTest("./bench/fleet", "-run=TestWorkingDay", "-timeout=30m", "-count=1",
		"-table="+table, "-people="+strconv.Itoa(int(people*min(b.scale, 1)))); err != nil {
		return err
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return err
	}
	var section report.Section
	if err := json.Unmarshal(text, &section); err != nil {
		return err
	}
	b.show(section)
	return nil
}
