package domaintest

import (
	"net/http"
	"strings"
)

// Catalogue is how the endpoint tells its models: servers differ.
type Catalogue string

// The catalogues. The empty value is PlainOpenAI.
const (
	PlainOpenAI Catalogue = "openai"  // /models with names alone
	VLLM        Catalogue = "vllm"    // /models with max_model_len
	LiteLLM     Catalogue = "litellm" // /models with names alone, /model/info with the rest
)

// UnmarshalText refuses what is no catalogue.
func (c *Catalogue) UnmarshalText(text []byte) error {
	return oneOf(c, Catalogue(text), PlainOpenAI, VLLM, LiteLLM)
}

// The limits, in tokens, that the catalogues tell of every model.
const (
	ContextTokens = 131072
	OutputTokens  = 16384 // LiteLLM alone
)

// models lists the models.
func (s *Server) models(w http.ResponseWriter, _ *http.Request, _ accessClaims) {
	options, list := s.current(), []map[string]any{}
	for _, name := range options.Models {
		model := map[string]any{"id": name, "object": "model", "created": 1760000000, "owned_by": "domaintest"}
		if options.Catalogue == VLLM {
			model["root"], model["parent"], model["max_model_len"] = "/models/"+name, nil, ContextTokens
			model["permission"] = []map[string]any{{"id": "modelperm-" + name, "object": "model_permission", "allow_sampling": true}}
		}
		list = append(list, model)
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

// modelInfo is what LiteLLM's proxy tells besides.
func (s *Server) modelInfo(w http.ResponseWriter, _ *http.Request, _ accessClaims) {
	options, list := s.current(), []map[string]any{}
	if options.Catalogue != LiteLLM {
		writeJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
		return
	}
	for _, name := range options.Models {
		mode := "chat"
		if strings.Contains(name, "embedding") {
			mode = "embedding"
		}
		list = append(list, map[string]any{
			"model_name":     name,
			"litellm_params": map[string]any{"model": "hosted_vllm/" + name, "api_base": "http://10.0.0.7:8000/v1"},
			"model_info": map[string]any{"id": randomHex(32), "db_model": false, "key": name, "mode": mode,
				"max_tokens": OutputTokens, "max_input_tokens": ContextTokens, "max_output_tokens": OutputTokens,
				"input_cost_per_token": 3e-06, "supports_function_calling": true, "supports_vision": true, "supports_pdf_input": nil},
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": list})
}
