package rpc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/lines"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func TestMain(m *testing.M) {
	_ = os.Unsetenv("CI") // where nobody could sign in
	goleak.VerifyTestMain(m)
}

// A peer is the other side of a conversation.
type peer struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	done  chan struct{}
	log   string // path
}

// converse starts a conversation for a project directory.
func converse(t *testing.T, places store.Places) *peer {
	t.Helper()
	return converseUntil(context.Background(), t, places)
}

// converseUntil is converse for a process that is asked to end when the context is done.
func converseUntil(ctx context.Context, t *testing.T, places store.Places) *peer {
	t.Helper()
	inReader, inWriter := io.Pipe()
	outReader, outWriter := io.Pipe()
	p := &peer{t: t, in: inWriter, lines: make(chan string, 100), done: make(chan struct{}), log: places.LogFile}
	log := logging.Open(places.LogFile)
	go func() {
		defer close(p.done)
		defer log.Close()
		defer outWriter.Close()
		Serve(ctx, inReader, outWriter, Options{Version: "1.2.3", Places: places, Log: log})
	}()
	go func() {
		defer close(p.lines)
		scanner := bufio.NewScanner(outReader)
		scanner.Buffer(nil, 2<<20)
		for scanner.Scan() {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(p.hangUp)
	return p
}

func (p *peer) hangUp() {
	p.in.Close()
	for range p.lines {
	}
	<-p.done
}

func (p *peer) send(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) receive() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatal("the conversation has ended")
		}
		return line
	case <-time.After(2 * time.Minute):
		p.t.Fatal("no line in two minutes")
	}
	return ""
}

// message is any message from the helper.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result map[string]any  `json:"result"`
	Error  *struct {
		Code    int                  `json:"code"`
		Message string               `json:"message"`
		Data    opencode.ProblemInfo `json:"data"`
	} `json:"error"`
}

// call sends a request and returns its response; the notifications before it are
// passed to the given function, if any.
func (p *peer) call(method, params string, notified func(message)) message {
	p.t.Helper()
	if params == "" {
		params = "{}"
	}
	p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":%q,"params":%s}`, method, method, params))
	for {
		var m message
		line := p.receive()
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			p.t.Fatalf("%v in %s", err, line)
		}
		if m.Method == "" {
			return m
		}
		if notified != nil {
			notified(m)
		}
	}
}

func emptyPlaces(t testing.TB) store.Places {
	home := t.TempDir()
	return store.Places{Home: home, StateDir: filepath.Join(home, "state"), LogFile: filepath.Join(home, "log"),
		ConfigDirs: []string{filepath.Join(home, "config")}}
}

// configured returns places with a configuration for the stand-in.
func configured(t testing.TB, server *domaintest.Server) store.Places {
	t.Helper()
	places := emptyPlaces(t)
	redirect := fmt.Sprintf("http://127.0.0.1:%d/callback", domaintest.FreePort())
	server.AllowRedirect(domaintest.ConfidentialClient, redirect)
	text, err := json.Marshal(map[string]string{
		"domain_url": server.URL, "llm_base_url": server.LLMBaseURL, "redirect_uri": redirect,
		"client_id": domaintest.ConfidentialClient, "client_secret": domaintest.ConfidentialSecret,
		"scope": "openid offline_access " + domaintest.DefaultScope, "log_level": "VERBOSE",
		"log_file": places.LogFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(places.ConfigDirs[0], 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(places.ConfigDirs[0], config.Name), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return places
}

// Each row is a line with the answer that it gets. After each of them the conversation
// continues.
func TestBadLines(t *testing.T) {
	p := converse(t, emptyPlaces(t))
	for _, test := range []struct{ name, line, id, want string }{
		{"garbage", `hello`, `null`, `-32700`},
		{"half an object", `{"jsonrpc":"2.0"`, `null`, `-32700`},
		{"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", `null`, `-32700`},
		{"too long", `{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("x", lines.MaxLine) + `"}`, `1`, `-32600`},
		{"too long, in another form", `{"id":1,"jsonrpc":"2.0","method":"` + strings.Repeat("x", lines.MaxLine) + `"}`, `null`, `-32600`},
		{"batch", `[{"jsonrpc":"2.0","id":1,"method":"status"}]`, `null`, `-32600`},
		{"empty batch", `[]`, `null`, `-32600`},
		{"number", `12`, `null`, `-32600`},
		{"no version", `{"id":5,"method":"status"}`, `5`, `-32600`},
		{"no method", `{"jsonrpc":"2.0","id":5}`, `5`, `-32600`},
		{"method is a number", `{"jsonrpc":"2.0","id":5,"method":1}`, `null`, `-32600`},
		{"id is an object", `{"jsonrpc":"2.0","id":{},"method":"status"}`, `null`, `-32600`},
		{"params are text", `{"jsonrpc":"2.0","id":5,"method":"status","params":"x"}`, `5`, `-32600`},
		{"unknown method", `{"jsonrpc":"2.0","id":5,"method":"nope"}`, `5`, `-32601`},
		{"params are a list", `{"jsonrpc":"2.0","id":5,"method":"status","params":[1]}`, `5`, `-32602`},
		{"wrong type", `{"jsonrpc":"2.0","id":5,"method":"getToken","params":{"rejected":1}}`, `5`, `-32602`},
		{"negative id", `{"jsonrpc":"2.0","id":-1,"method":"nope"}`, `-1`, `-32601`},
		{"fractional id", `{"jsonrpc":"2.0","id":1.5,"method":"nope"}`, `1.5`, `-32601`},
		{"null id", `{"jsonrpc":"2.0","id":null,"method":"nope"}`, `null`, `-32601`},
		{"zero id", `{"jsonrpc":"2.0","id":0,"method":"nope"}`, `0`, `-32601`},
		{"largest id", `{"jsonrpc":"2.0","id":18446744073709551615,"method":"nope"}`, `18446744073709551615`, `-32601`},
		{"text id", `{"jsonrpc":"2.0","id":"<é\n>","method":"nope"}`, `"<é\n>"`, `-32601`},
		{"odd text id", `{"jsonrpc":"2.0","id":"\u0000-1","method":"nope"}`, `"\u0000-1"`, `-32601`},
		{"null params", `{"jsonrpc":"2.0","id":5,"method":"nope","params":null}`, `5`, `-32601`},
	} {
		p.send(test.line)
		var m message
		if err := json.Unmarshal([]byte(p.receive()), &m); err != nil || m.Error == nil {
			t.Errorf("%s: %+v, %v", test.name, m, err)
			continue
		}
		var got, want any
		_ = json.Unmarshal(m.ID, &got)
		_ = json.Unmarshal([]byte(test.id), &want)
		if got != want || fmt.Sprint(m.Error.Code) != test.want {
			t.Errorf("%s: id %s, code %d; want %s, %s", test.name, m.ID, m.Error.Code, test.id, test.want)
		}
	}
	// None of these gets an answer.
	for _, line := range []string{``, `   `, `{"jsonrpc":"2.0","method":"nope"}`, `{"jsonrpc":"2.0","id":7,"result":{}}`, `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":9}}`} {
		p.send(line)
	}
	if m := p.call("status", "", nil); m.Error != nil || m.Result["version"] != "1.2.3" {
		t.Errorf("the conversation did not go on: %+v", m)
	}
}

func TestPanicIsAnsweredWithAnError(t *testing.T) {
	const value = "b7c1f0d2-5e5a-4a0c-8f5e-3d2a9c61e47b"
	methods["test/panic"] = func(*server, context.Context, json.RawMessage) (any, error) {
		panic("a private thing: " + secret.New(value).Reveal())
	}
	defer delete(methods, "test/panic")
	p := converse(t, emptyPlaces(t))
	if m := p.call("test/panic", "", nil); m.Error == nil || m.Error.Code != -32603 || strings.Contains(m.Error.Message, "private") {
		t.Errorf("%+v", m.Error)
	}
	if m := p.call("status", "", nil); m.Error != nil {
		t.Errorf("the conversation did not go on: %+v", m.Error)
	}
	text, err := os.ReadFile(p.log)
	if err != nil || !strings.Contains(string(text), "a private thing: [redacted]") || strings.Contains(string(text), value) {
		t.Errorf("%v: the log holds %s", err, text)
	}
}

func TestLastLineNeedsNoLineBreak(t *testing.T) {
	var out bytes.Buffer
	places := emptyPlaces(t)
	log := logging.Open(places.LogFile)
	defer log.Close()
	Serve(context.Background(), strings.NewReader("garbage\n"+`{"jsonrpc":"2.0","id":1,"method":"status"}`), &out, Options{Places: places, Log: log})
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], `"result"`) {
		t.Errorf("answers %q", lines)
	}
}

// First there is no configuration, then there is one; then come a sign-in, tokens, a refresh
// and a sign-out.
func TestWholeSession(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	places := configured(t, server)
	project := t.TempDir()
	p := converse(t, places)

	m := p.call("initialize", fmt.Sprintf(`{"protocol":1,"client":{"name":"test","version":"0"},"directory":%q}`, project), nil)
	if m.Error != nil || m.Result["protocol"] != float64(Protocol) {
		t.Fatalf("initialize: %+v", m)
	}
	if m = p.call("getToken", "", nil); m.Error == nil || m.Error.Data.Kind != "login_required" || m.Error.Data.Retryable || m.Error.Data.Hint == "" {
		t.Errorf("getToken without a session: %+v", m.Error)
	}

	var told []string
	m = p.call("connect", `{"flow":"browser","openBrowser":false}`, func(n message) {
		told = append(told, n.Method)
		if n.Method != "connect/prompt" {
			return
		}
		var prompt connectPrompt
		if err := json.Unmarshal(n.Params, &prompt); err != nil || prompt.Flow != "browser" || prompt.BrowserOpened {
			t.Errorf("prompt %s, %v", n.Params, err)
		}
		go open(t, prompt.URL)
	})
	if m.Error != nil || m.Result["subject"] != "maria@example.com" || strings.Join(told, " ") != "connect/prompt session/changed" {
		t.Fatalf("connect: %+v, after %v", m, told)
	}

	m = p.call("getToken", "", nil)
	token, _ := m.Result["accessToken"].(string)
	if m.Error != nil || m.Result["tokenType"] != "Bearer" || m.Result["baseURL"] != server.LLMBaseURL || !strings.HasPrefix(token, "eyJ") {
		t.Fatalf("getToken: %+v", m)
	}
	until, err := time.Parse(time.RFC3339, fmt.Sprint(m.Result["useUntil"]))
	if lent := time.Until(until); err != nil || lent < time.Minute || lent > 5*time.Minute {
		t.Errorf("lent until %v", m.Result["useUntil"])
	}
	if m = p.call("refresh", "", nil); m.Error != nil || m.Result["expiresAt"] == nil {
		t.Errorf("refresh: %+v", m)
	}
	if m = p.call("getToken", "", nil); m.Result["accessToken"] == token {
		t.Error("the token is still the one from before the refresh")
	}
	if m = p.call("status", "", nil); m.Result["signedIn"] != true || m.Result["refreshable"] != true || m.Result["configPath"] == "" {
		t.Errorf("status: %+v", m.Result)
	}
	if m = p.call("guard", `{"tool":"read","args":{"filePath":"~/.secrets/x"}}`, nil); m.Result["deny"] == "" {
		t.Errorf("guard: %+v", m.Result)
	}
	if m = p.call("guard", `{"permission":"read","resources":["README.md","~/.secrets/x"]}`, nil); m.Result["deny"] == "" {
		t.Errorf("guard of a permission: %+v", m.Result)
	}
	newer, _ := p.call("getToken", "", nil).Result["accessToken"].(string)
	for _, secret := range []string{token, newer} { // the one before the refresh still works, too
		p.call("redact", `{"tool":"bash","texts":["nothing"]}`, nil)
		m = p.call("redact", fmt.Sprintf(`{"tool":"bash","texts":["nothing","a %s b"]}`, secret), nil)
		if got := fmt.Sprint(m.Result["texts"]); !strings.HasPrefix(got, "[<nil> a ") || !strings.Contains(got, "[redacted] b") || strings.Contains(got, secret[len(secret)-60:]) {
			t.Errorf("redact: %+v", m)
		}
	}
	if m = p.call("redact", `{"tool":"bash","texts":["nothing"]}`, nil); m.Error != nil || m.Result["texts"] != nil {
		t.Errorf("redact of nothing: %+v", m)
	}
	if m = p.call("connect/answer", `{"redirect":"x"}`, nil); m.Error == nil {
		t.Error("an answer to no sign-in was taken")
	}
	if m = p.call("disconnect", "", nil); m.Error != nil || server.Count(domaintest.Revoke) != 1 {
		t.Errorf("disconnect: %+v", m)
	}
	if m = p.call("getToken", "", nil); m.Error == nil || m.Error.Data.Kind != "login_required" {
		t.Errorf("getToken after signing out: %+v", m)
	}
}

func TestConfigurationWrittenLater(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	places := configured(t, server)
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	p := converse(t, places)
	project := t.TempDir()
	p.call("initialize", fmt.Sprintf(`{"protocol":1,"directory":%q}`, project), nil)
	m := p.call("getToken", "", nil)
	if m.Error == nil || m.Error.Data.Kind != "config" {
		t.Fatalf("without a configuration: %+v", m.Error)
	}
	for _, searched := range []string{path, filepath.Join(project, config.Name)} {
		if !strings.Contains(m.Error.Message, searched) {
			t.Errorf("%s is not named in %s", searched, m.Error.Message)
		}
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if m = p.call("getToken", "", nil); m.Error == nil || m.Error.Data.Kind != "login_required" {
		t.Errorf("with a configuration: %+v", m.Error)
	}
}

// Whenever the helper reads another configuration, the token of one session is never sent with
// the endpoint of another.
func TestTokenComesWithItsEndpoint(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	places := configured(t, server)
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = "https://llm.other.example/v1"
	second := strings.Replace(string(first), server.LLMBaseURL, elsewhere, 1)
	second = strings.Replace(second, "openid offline_access", "openid profile offline_access", 1) // another session
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(second)
	other := converse(t, places)
	other.signInAtOnce()

	for _, reader := range []string{"getToken", "status", "refresh", "configure", "explain"} {
		t.Run(reader, func(t *testing.T) {
			write(string(first))
			p := converse(t, places)
			p.call("initialize", `{"protocol":1}`, nil)
			p.signInAtOnce()
			m := p.call("getToken", "", nil)
			mine, _ := m.Result["accessToken"].(string)
			if mine == "" || m.Result["baseURL"] != server.LLMBaseURL {
				t.Fatalf("%+v", m)
			}
			write(second)
			switch reader {
			case "getToken":
			case "explain":
				m := p.call("explain", fmt.Sprintf(`{"status":401,"fingerprint":%q}`, secret.New(mine).Fingerprint()), nil)
				if token, _ := m.Result["token"].(map[string]any); m.Error != nil || token["baseURL"] != elsewhere || token["accessToken"] == mine {
					t.Errorf("%+v", m)
				}
			default:
				if m := p.call(reader, "", nil); m.Error != nil {
					t.Fatalf("%+v", m.Error)
				}
			}
			rejected := fmt.Sprintf(`{"rejected":%q}`, secret.New(mine).Fingerprint()) // not the fast way
			for _, params := range []string{rejected, "", ""} {
				m := p.call("getToken", params, nil)
				theirs := m.Result["accessToken"] != mine
				if m.Error != nil || theirs != (m.Result["baseURL"] == elsewhere) {
					t.Fatalf("%s: %+v", params, m)
				}
			}
		})
	}
}

// If the configuration changes, session/changed tells the shim that its lease has ended.
func TestChangedConfigurationIsNotified(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	places := configured(t, server)
	p := converse(t, places)
	p.call("status", "", nil)
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), "openid offline_access", "openid", 1)
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	p.send(`{"jsonrpc":"2.0","id":1,"method":"status"}`)
	lines := p.receive() + p.receive()
	if !strings.Contains(lines, "session/changed") || !strings.Contains(lines, `"id":1`) {
		t.Errorf("told %s", lines)
	}
}

func TestCancel(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	p := converse(t, configured(t, server))
	for _, id := range []string{`"a"`, `7`, `-7`} {
		p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"connect","params":{"openBrowser":false}}`, id))
		if line := p.receive(); !strings.Contains(line, "connect/prompt") {
			t.Fatal(line)
		}
		p.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%s}}`, id))
		if line := p.receive(); !strings.Contains(line, `"id":`+id) || !strings.Contains(line, `"cancelled"`) {
			t.Error(line)
		}
	}
}

// The end of input cancels a sign-in and ends the conversation.
func TestEndOfInput(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	p := converse(t, configured(t, server))
	p.send(`{"jsonrpc":"2.0","id":1,"method":"connect","params":{"openBrowser":false}}`)
	p.receive()
	p.in.Close()
	if line := p.receive(); !strings.Contains(line, `"cancelled"`) {
		t.Error(line)
	}
	<-p.done
}

// When the process is asked to end, the requests under way are answered, and no other one begins.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	began, ends, proceed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	methods["test/last"] = func(s *server, _ context.Context, _ json.RawMessage) (any, error) {
		close(began)
		<-s.life.Done()
		close(ends)
		<-proceed
		return "done", nil
	}
	methods["test/late"] = func(*server, context.Context, json.RawMessage) (any, error) {
		t.Error("a request has begun after the end")
		return nil, nil
	}
	defer delete(methods, "test/last")
	defer delete(methods, "test/late")
	ctx, stop := context.WithCancel(t.Context())
	p := converseUntil(ctx, t, emptyPlaces(t))
	p.send(`{"jsonrpc":"2.0","id":1,"method":"test/last"}`)
	<-began
	stop()
	<-ends
	p.send(`{"jsonrpc":"2.0","id":2,"method":"test/late"}`)
	p.send(`{"jsonrpc":"2.0","id":3,"method":"$/cancelRequest","params":{"id":2}}`)
	if line := p.receive(); !strings.Contains(line, `"id":3,"result":null`) { // the one before was read
		t.Errorf("the first answer is %s", line)
	}
	close(proceed)
	if line := p.receive(); !strings.Contains(line, `"id":1,"result":"done"`) {
		t.Errorf("the last answer is %s", line)
	}
	<-p.done
}

// Requests that are sent directly after initialize, without waiting for its answer, use its
// directory.
func TestRequestsAfterInitializeUseItsDirectory(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	places := configured(t, server)
	project := t.TempDir()
	if err := os.WriteFile(filepath.Join(project, config.Name), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := converse(t, places)
	p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"directory":%q}}`+"\n"+`{"jsonrpc":"2.0","id":2,"method":"getToken"}`, project))
	p.receive()
	if line := p.receive(); !strings.Contains(line, strings.Trim(strconv.Quote(project), `"`)) {
		t.Errorf("answered for another directory: %s", line)
	}
}

// The end of input also cancels a sign-in whose request has no ID.
func TestEndOfInputEndsEverySignIn(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	p := converse(t, configured(t, server))
	p.send(`{"jsonrpc":"2.0","method":"connect","params":{"openBrowser":false}}`)
	p.receive()
	p.send(`{"jsonrpc":"2.0","id":1,"method":"$/cancelRequest","params":{"id":9}}`)
	if line := p.receive(); !strings.Contains(line, `"id":1,"result":null`) {
		t.Error(line)
	}
	p.in.Close()
	<-p.done
}

func open(t *testing.T, address string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(address)
	if err != nil {
		t.Error(err)
		return
	}
	resp.Body.Close()
}
