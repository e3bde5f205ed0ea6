package oidc

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// FetchModels asks an endpoint for its models and keeps them on the disk. Models that
// could not be kept are no error.
func (s *Session) FetchModels(ctx context.Context, e config.Endpoint, kept tokens.ModelsFile) (endpoint.Models, error) {
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
