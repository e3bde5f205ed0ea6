package opencode

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// FetchModels requests the endpoint's list of models and saves it. It returns the models
// even if they cannot be saved.
func FetchModels(ctx context.Context, s *oidc.Session, e config.Endpoint, kept tokens.ModelsFile) (endpoint.Models, error) {
	token, err := s.Token(ctx, "")
	if err != nil {
		return nil, err
	}
	models, err := endpoint.Endpoint{Address: e, Token: token.Access, Network: s.Config().EndpointNetwork()}.Models(ctx)
	if err != nil {
		return nil, err
	}
	_ = kept.Save(models, time.Now())
	return models, nil
}
