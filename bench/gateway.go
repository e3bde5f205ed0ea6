package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/machine"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

const (
	gatewayChunks   = 100                  // of one stream
	chunkInterval   = 2 * time.Millisecond // between two chunks
	gatewayRequests = 400                  // of a run, for the requests in a second
	inFlight        = 8                    // of these at a time
	openStreams     = 100
)

// throughGateway measures what the gateway costs against the direct way to an endpoint: until
// the first chunk of a stream, for each chunk, in requests a second, and its memory while many
// streams are open.
func throughGateway(b *bench) error {
	endpoint := httptest.NewServer(http.HandlerFunc(answerWithTimes))
	defer endpoint.Close()
	home, err := os.MkdirTemp("", "bench-gateway-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	gateway, err := b.startGateway(home, endpoint.URL+"/v1")
	if err != nil {
		return err
	}
	defer gateway.end()

	var subjects []measure.Subject
	for _, to := range []target{{"direct", endpoint.URL + "/v1", ""}, {"direct, the same again", endpoint.URL + "/v1", ""}, {"through the gateway", gateway.url, gateway.key}} {
		subjects = append(subjects, measure.Subject{Name: to.name, Once: to.measure})
	}
	samples, err := measure.Alternate(b.rounds(20), subjects)
	if err != nil {
		return err
	}
	for figure, section := range []report.Section{
		{Name: "gateway-first", Title: "The gateway, the first chunk of a stream", About: "From the request to the first chunk, against the direct way to an endpoint on this machine that answers at once."},
		{Name: "gateway-chunk", Title: "The same, each chunk", About: fmt.Sprintf("From the endpoint's write to the client's read, the median of %d chunks.", gatewayChunks)},
		{Name: "gateway-rate", Title: "The same, requests", About: fmt.Sprintf("%d short requests, %d in flight: the time of one.", gatewayRequests, inFlight)},
	} {
		for i, subject := range subjects {
			took := samples[i][figure]
			row := report.Row{Name: subject.Name, Value: fmt.Sprintf("%.0f µs", took.Median()), Ratio: took.Against(samples[0][figure])}
			switch {
			case figure == 2:
				row.Note = fmt.Sprintf("%.0f requests a second", 1e6/took.Median())
			case i == 2:
				row.Note = fmt.Sprintf("%.0f µs more", took.Median()-samples[0][figure].Median())
			}
			section.Rows = append(section.Rows, row)
		}
		b.show(section)
	}
	return b.gatewayMemory(gateway)
}

func (b *bench) gatewayMemory(gateway *gatewayProcess) error {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.skip("Memory of the gateway", "this system has no /proc")
		return nil
	}
	pid := gateway.command.Process.Pid
	before, err := resident(pid)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for range openStreams {
		answer, err := gateway.get(ctx, "/held")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if _, err := bufio.NewReader(answer.Body).ReadString('\n'); err != nil {
			return err
		}
	}
	during, err := resident(pid)
	if err != nil {
		return err
	}
	b.show(report.Section{
		Name: "gateway-memory", Title: "Resident memory of the gateway", About: "Before, and while streams are open.",
		Rows: []report.Row{
			{Name: "after the requests above", Value: mega(before.resident)},
			{Name: fmt.Sprintf("with %d open streams", openStreams), Value: mega(during.resident), Ratio: measure.Sample{during.resident / before.resident}},
		},
	})
	return nil
}

// answerWithTimes is an endpoint whose chunks tell when they were written.
func answerWithTimes(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	chunks := map[string]int{"/v1/stream": gatewayChunks, "/v1/held": 1, "/v1/short": 1}[r.URL.Path]
	for i := range chunks {
		if i > 0 {
			time.Sleep(chunkInterval)
		}
		fmt.Fprintln(w, time.Now().UnixNano())
		_ = http.NewResponseController(w).Flush()
	}
	if r.URL.Path == "/v1/held" {
		<-r.Context().Done()
	}
}

// A target is a way to the endpoint.
type target struct{ name, url, key string }

func (t target) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+t.key)
	answer, err := client.Do(request)
	if err == nil && answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		err = fmt.Errorf("%s: %s %s", t.name, answer.Status, text)
	}
	return answer, err
}

// client keeps its connections, as a program does that sends many requests.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: openStreams}}

// measure returns the time until the first chunk, that of each chunk, and that of one of many
// requests, in microseconds.
func (t target) measure() ([]float64, error) {
	began := time.Now()
	answer, err := t.get(context.Background(), "/stream")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var first float64
	var each measure.Sample
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		now := time.Now()
		written, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			return nil, err
		}
		if len(each) == 0 {
			first = micro(now.Sub(began))
		}
		each = append(each, micro(now.Sub(time.Unix(0, written))))
	}
	if len(each) != gatewayChunks {
		return nil, fmt.Errorf("%d chunks arrived, not %d", len(each), gatewayChunks)
	}
	began = time.Now()
	var together sync.WaitGroup
	failed := make([]error, inFlight)
	for i := range inFlight {
		together.Go(func() {
			for range gatewayRequests / inFlight {
				answer, err := t.get(context.Background(), "/short")
				if err == nil {
					_, err = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
				failed[i] = errors.Join(failed[i], err)
			}
		})
	}
	together.Wait()
	return []float64{first, each.Median(), micro(time.Since(began)) / gatewayRequests}, errors.Join(failed...)
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// A gatewayProcess is a running gateway.
type gatewayProcess struct {
	target
	command *exec.Cmd
	machine *machine.Machine
}

// startGateway starts a gateway to an endpoint for a person with this home, who is signed in.
func (b *bench) startGateway(home, endpoint string) (*gatewayProcess, error) {
	m, err := machine.New(home, domaintest.Options{})
	if err != nil {
		return nil, err
	}
	g := &gatewayProcess{machine: m}
	if err := g.start(b.helper, endpoint); err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

func (g *gatewayProcess) start(helper, endpoint string) error {
	if err := g.machine.SignIn(); err != nil {
		return err
	}
	path := filepath.Join(g.machine.Places.ConfigDirs[0], config.Name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var values map[string]string
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	values["llm_base_url"] = endpoint
	if text, err = json.Marshal(values); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	key := exec.Command(helper, "gateway", "key")
	key.Env, key.Dir = g.machine.Environ(), g.machine.Home
	output, err := key.Output()
	if err != nil {
		return explain(err)
	}
	command := exec.Command(helper, "gateway")
	command.Env, command.Dir = key.Env, key.Dir
	said, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	g.command = command
	line, err := bufio.NewReader(said).ReadString('\n')
	_, after, found := strings.Cut(line, "answers at ")
	address, _, _ := strings.Cut(after, ";")
	if !found {
		return fmt.Errorf("the gateway did not start: %s %w", line, err)
	}
	g.target = target{"through the gateway", address, strings.TrimSpace(string(output))}
	return nil
}

func (g *gatewayProcess) end() {
	if g.command != nil {
		_ = g.command.Process.Kill()
		_ = g.command.Wait()
	}
	g.machine.Close()
}
