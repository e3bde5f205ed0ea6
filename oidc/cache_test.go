package oidc

import (
	"context"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// What is done in the background when a session is closed is done, where nobody has to be
// waited for.
func TestAFreeLockIsTakenByWhoMayNotWait(t *testing.T) {
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
