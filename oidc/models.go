package oidc

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// FetchModels asks the endpoint for its models and keeps them on the disk. Models that
// could not be kept are no error.
func (s *Session) FetchModels(ctx context.Context, kept tokens.ModelsFile) (endpoint.Models, error) {
	token, err := s.Token(ctx, "")
	if err != nil {
		return nil, err
	}
	config := s.Config()
	models, err := endpoint.Endpoint{BaseURL: config.BaseURL, Token: token.Access, Network: config.EndpointNetwork()}.Models(ctx)
	if err != nil {
		return nil, err
	}
	_ = kept.Save(models, time.Now())
	return models, nil
}
