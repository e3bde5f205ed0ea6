package oidc

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/windows"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// While the status waits for the client secret's file, which another program has open, the
// session hands out tokens.
func TestNoTokenWaitsForTheStatus(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	file := filepath.Join(w.places.Home, "secret")
	writeFile(t, file, domaintest.ConfidentialSecret)
	w.configure(map[string]any{
		"domain_url": w.URL, "llm_base_url": w.LLMBaseURL, "auth_method": string(config.ConfidentialApp), "redirect_uri": w.config.RedirectURIs,
		"client_id": domaintest.ConfidentialClient, "client_secret": "{file:" + filepath.ToSlash(file) + "}", "scope": w.config.Scope,
	})
	w.signedIn()
	name, err := windows.UTF16PtrFromString(file)
	if err != nil {
		t.Fatal(err)
	}
	w.bubble(func(t *testing.T) {
		s := w.session()
		held, err := windows.CreateFile(name, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		answered := false
		go func() {
			if status := s.Status(); !status.SignedIn || status.Problem != nil {
				t.Errorf("%+v", status)
			}
			answered = true
		}()
		synctest.Wait()
		free := s.mu.TryLock()
		if free {
			s.mu.Unlock()
		}
		if !free || answered {
			t.Errorf("while the status waits: lock free %v, answered %v", free, answered)
		}
		if err := windows.CloseHandle(held); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
	})
}
