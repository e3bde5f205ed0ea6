package oidc

import (
	"context"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A free lock is taken even if the context has ended: Close must not stop background work
// that needs no waiting.
func TestCancelledCallerTakesFreeLock(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	s := w.session()
	ended, end := context.WithCancel(t.Context())
	end()
	for range 50 {
		unlock, _, err := s.cache.lock(ended, nil)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	}
	unlock, _, err := s.cache.lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, _, err := s.cache.lock(ended, nil); err == nil {
		t.Error("a lock that is held was taken")
	}
}
