package endpoint

import (
	"encoding/json"
	"testing"
)

// OpenCode 2 refuses a model without one of these keys.
func TestModelsAreCompleteForOpenCode2(t *testing.T) {
	no := false
	models := Models{
		"told": {
			Name: "Told", ToolCall: &no, Limit: &Limit{Context: 1000, Output: 100},
			Modalities: &Modalities{Input: []string{"text", "image"}, Output: []string{"text"}},
		},
		"bare": {},
	}
	text, err := json.MarshalIndent(models.Complete("oci-oidc"), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `[
 {
  "id": "bare",
  "modelID": "bare",
  "providerID": "oci-oidc",
  "name": "bare",
  "capabilities": {
   "tools": true,
   "input": [
    "text"
   ],
   "output": [
    "text"
   ]
  },
  "variants": [],
  "time": {
   "released": 0
  },
  "cost": [],
  "status": "active",
  "enabled": true,
  "limit": {
   "context": 0,
   "output": 0
  },
  "compatibility": {
   "maxTokensField": "max_tokens"
  }
 },
 {
  "id": "told",
  "modelID": "told",
  "providerID": "oci-oidc",
  "name": "Told",
  "capabilities": {
   "tools": false,
   "input": [
    "text",
    "image"
   ],
   "output": [
    "text"
   ]
  },
  "variants": [],
  "time": {
   "released": 0
  },
  "cost": [],
  "status": "active",
  "enabled": true,
  "limit": {
   "context": 1000,
   "output": 100
  },
  "compatibility": {
   "maxTokensField": "max_tokens"
  }
 }
]`
	if string(text) != want {
		t.Errorf("the models are\n%s\nwant\n%s", text, want)
	}
	if none, _ := json.Marshal(Models(nil).Complete("oci-oidc")); string(none) != "[]" {
		t.Errorf("no models are %s", none)
	}
}
