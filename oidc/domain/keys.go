package domain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
)

// signingKeys requests the domain's JWK set (RFC 7517, 5).
func (d *Domain) signingKeys(ctx context.Context, m *discovery.Metadata) ([]idtoken.Key, error) {
	const step = "read the domain's signing keys"
	x := d.get(ctx, m.Keys)
	var set struct {
		Keys []idtoken.Key `json:"keys"`
	}
	switch {
	case x.Err != nil:
		return nil, d.fault(step, x, x.Err)
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden:
		return nil, problem.New(problem.Config,
			fmt.Sprintf("The domain does not publish its signing keys (status %d), and strict_id_token needs them.", x.Status),
			`Ask your administrator to switch on "Configure client access" in the domain's settings, or remove strict_id_token.`)
	case x.Status != http.StatusOK:
		return nil, d.fault(step, x, &refusal{})
	}
	if err := json.Unmarshal(x.Body, &set); err != nil {
		return nil, d.fault(step, x, err)
	}
	return set.Keys, nil
}

// A signatureCheck verifies the signatures of ID tokens. A nil one verifies nothing.
type signatureCheck struct {
	domain   *Domain
	metadata *discovery.Metadata
	keys     []idtoken.Key
}

// newSignatureCheck requests the signing keys before the person is asked to sign in, since
// the sign-in could not succeed without them. It returns nil if strict_id_token is off.
func (d *Domain) newSignatureCheck(ctx context.Context, m *discovery.Metadata) (*signatureCheck, error) {
	if !d.config.StrictIDToken {
		return nil, nil
	}
	keys, err := d.signingKeys(ctx, m)
	return &signatureCheck{d, m, keys}, err
}

// verify checks the signature of an ID token. If none of the keys fits, it requests them
// once more, because the domain may have changed them during the sign-in.
func (s *signatureCheck) verify(ctx context.Context, raw string) error {
	if s == nil {
		return nil
	}
	if raw == "" {
		return idtoken.Refused("there is none, and strict_id_token wants one")
	}
	err := idtoken.VerifySignature(raw, s.keys)
	if !errors.Is(err, idtoken.ErrNoKeyFits) {
		return err
	}
	if s.keys, err = s.domain.signingKeys(ctx, s.metadata); err != nil {
		return err
	}
	return idtoken.VerifySignature(raw, s.keys)
}
