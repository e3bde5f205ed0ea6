package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/lines"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// However the configuration changes, the next getToken uses the new one, and a lease under the
// old one ends even if nobody calls.
func TestChangedConfigurationEndsLeases(t *testing.T) {
	for name, c := range map[string]struct {
		project bool
		change  func(t *testing.T, places store.Places, path string)
		kind    string
	}{
		"deleted": {false, func(t *testing.T, _ store.Places, path string) { must(t, os.Remove(path)) }, "config"},
		"broken":  {false, func(t *testing.T, _ store.Places, path string) { must(t, os.WriteFile(path, []byte("{"), 0o600)) }, "config"},
		"of another client": {false, func(t *testing.T, _ store.Places, path string) {
			text, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, []byte(strings.Replace(string(text), "openid offline_access", "openid", 1)), 0o600))
		}, "login_required"},
		"no longer confirmed": {true, func(t *testing.T, places store.Places, path string) {
			forgotten, err := config.Forget(places, path)
			if must(t, err); !forgotten {
				t.Fatal("it was not confirmed")
			}
		}, "untrusted"},
	} {
		for _, asks := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, asks %t", name, asks), func(t *testing.T) {
				t.Parallel()
				server := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
				places := configured(t, server)
				path := filepath.Join(places.ConfigDirs[0], config.Name)
				directory := t.TempDir()
				if c.project {
					own := path
					path = filepath.Join(directory, config.Name)
					text, err := os.ReadFile(own)
					must(t, err)
					logFile, err := json.Marshal(places.LogFile)
					must(t, err)
					text = []byte(strings.Replace(string(text), `"log_file":`+string(logFile)+`,`, "", 1))
					must(t, os.WriteFile(path, text, 0o600))
					must(t, os.Remove(own))
					_, err = config.Load(places, directory)
					must(t, config.Confirm(places, config.AsUnconfirmed(err)))
				}
				p := converse(t, places)
				p.call("initialize", fmt.Sprintf(`{"protocol":1,"directory":%q}`, directory), nil)
				if m := p.call("connect", `{"flow":"device","openBrowser":false}`, nil); m.Error != nil {
					t.Fatalf("%+v", m.Error)
				}
				for range 2 { // the second one is answered at once
					if m := p.call("getToken", "", nil); m.Error != nil || m.Result["useUntil"] == nil {
						t.Fatalf("no token is lent: %+v %v", m.Error, m.Result["useUntil"])
					}
				}
				c.change(t, places, path)
				if asks {
					if m := p.call("getToken", "", nil); m.Error == nil || m.Error.Data.Kind != c.kind {
						t.Errorf("%+v %v", m.Error, m.Result)
					}
					return
				}
				for {
					var m message
					if must(t, json.Unmarshal([]byte(p.receive()), &m)); m.Method == "session/changed" {
						return
					}
				}
			})
		}
	}
}

// If a configuration is no longer confirmed, its background work stops.
func TestUnconfirmedConfigurationEndsItsSession(t *testing.T) {
	domain := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
	places := configured(t, domain)
	p := converse(t, places)
	if m := p.call("connect", `{"flow":"device","openBrowser":false}`, nil); m.Error != nil {
		t.Fatalf("%+v", m.Error)
	}
	p.hangUp()
	text, err := os.ReadFile(filepath.Join(places.ConfigDirs[0], config.Name))
	must(t, err)
	logFile, err := json.Marshal(places.LogFile)
	must(t, err)
	text = []byte(strings.Replace(string(text), `"log_file":`+string(logFile)+`,`, "", 1))
	project := t.TempDir()
	path := filepath.Join(project, config.Name)
	must(t, os.WriteFile(path, text, 0o600))
	_, err = config.Load(places, project)
	must(t, config.Confirm(places, config.AsUnconfirmed(err)))

	log := logging.Open(places.LogFile)
	defer log.Close()
	s := &server{Options: Options{Places: places, Log: log}, directory: project, stream: lines.New(strings.NewReader(""), io.Discard, func() {})}
	session, err := s.load()
	must(t, err)
	defer session.Close()
	token, err := session.For("").Token(t.Context(), "")
	must(t, err)
	if session.For("").Lend(token).IsZero() {
		t.Fatal("nothing is lent")
	}
	_, err = config.Forget(places, path)
	must(t, err)
	if _, err := s.load(); config.AsUnconfirmed(err) == nil {
		t.Errorf("it is confirmed: %v", err)
	}
	s.calls.Wait()
	if s.sessions != nil || !session.For("").Lend(token).IsZero() {
		t.Error("the session still runs in the background")
	}
}

// A token of one session that is lent for less time, or not at all, does not end the watch for a
// changed configuration while a token of another session is lent.
func TestEachLeaseIsWatchedToItsEnd(t *testing.T) {
	for name, other := range map[string]time.Duration{"not lent": -1, "for less time": 2 * lookEvery} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				places := emptyPlaces(t)
				path := filepath.Join(places.ConfigDirs[0], config.Name)
				must(t, os.MkdirAll(places.ConfigDirs[0], 0o700))
				must(t, os.WriteFile(path, nil, 0o600))
				log := logging.Open(places.LogFile)
				defer log.Close()
				var out bytes.Buffer
				s := &server{Options: Options{Places: places, Log: log}, stream: lines.New(strings.NewReader(""), &out, func() {}), files: config.NewWatch(places, "")}
				s.life, s.end = context.WithCancel(t.Context())
				s.lookWhileLent(time.Now().Add(10 * lookEvery))
				until := time.Time{}
				if other > 0 {
					until = time.Now().Add(other)
				}
				s.lookWhileLent(until)
				time.Sleep(5 * lookEvery)
				must(t, os.WriteFile(path, []byte("{"), 0o600))
				time.Sleep(2 * lookEvery)
				s.end()
				s.calls.Wait()
				if !strings.Contains(out.String(), "session/changed") {
					t.Error("the change was not noticed")
				}
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
