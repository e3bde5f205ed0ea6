package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start runs the command with args. It returns the output and two functions that end the
// command: by the end of its input, and by a signal.
func start(t *testing.T, args ...string) (line addresses, eof func() error, signal context.CancelFunc, ended <-chan error) {
	t.Helper()
	ctx, signal := context.WithCancel(t.Context())
	stdin, input := io.Pipe()
	output, stdout := io.Pipe()
	end := make(chan error, 1)
	go func() { end <- run(ctx, args, stdin, stdout) }()
	t.Cleanup(func() { _ = input.Close() })
	text, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &line)
	}
	if err != nil {
		t.Fatal(err)
	}
	return line, input.Close, signal, end
}

func wantEnd(t *testing.T, line addresses, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the stand-in did not end")
	}
	for _, address := range []string{line.DomainURL, line.LLMBaseURL, line.ControlURL} {
		if answer, err := http.Get(address); err == nil {
			_ = answer.Body.Close()
			t.Errorf("%s still answers", address)
		}
	}
}

func TestStandinServesUntilTheEndOfItsInput(t *testing.T) {
	line, eof, signal, ended := start(t, "-redirect", "http://localhost:1/cb", "-expires-in", "60", "-auto-approve")
	defer signal()
	if len(line.Clients) != 2 || line.Clients[0].Secret == "" || line.Clients[1].Secret != "" ||
		line.Clients[1].RedirectURIs[1] != "http://localhost:1/cb" || !strings.HasSuffix(line.LLMBaseURL, "/v1") {
		t.Errorf("%+v", line)
	}
	answer, err := http.Post(line.ControlURL, "application/json", strings.NewReader(`{"advance":90}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), `"expires_in":60`) {
		t.Errorf("%d %s %v", answer.StatusCode, text, err)
	}
	if err := eof(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, line, ended)
}

func TestStandinEndsOnASignal(t *testing.T) {
	line, _, signal, ended := start(t)
	signal()
	wantEnd(t, line, ended)
}

func TestStandinReportsATakenPort(t *testing.T) {
	line, _, signal, ended := start(t)
	taken := strings.TrimPrefix(line.DomainURL, "http://")
	for _, flag := range []string{"-domain", "-endpoint", "-control"} {
		if err := run(t.Context(), []string{flag, taken}, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%s %s was not refused", flag, taken)
		}
	}
	signal()
	wantEnd(t, line, ended)
}
