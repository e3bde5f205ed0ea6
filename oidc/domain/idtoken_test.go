package domain

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func TestIDToken(t *testing.T) {
	const rest = `"exp":99999999999,"nonce":"n","sub":"s"`
	half := sha256.Sum256([]byte("the access token"))
	hash := base64.RawURLEncoding.EncodeToString(half[:16])
	d := newDomain(t, config.Config{ClientID: "confidential-client", Scope: "openid"})
	for _, test := range []struct {
		name, raw, want string
	}{
		{"none", "", "there is none"},
		{"no JWT", "x", "not a JSON Web Token"},
		{"claims that are no object", jwt(`[1]`), "not a JSON Web Token"},
		{"no issuer", jwt(`{"aud":"confidential-client",` + rest + `}`), "it has no iss"},
		{"another issuer", jwt(`{"iss":"x","aud":["confidential-client"],` + rest + `}`), "another issuer"},
		{"an issuer with less", jwt(`{"iss":"","aud":["confidential-client"],` + rest + `}`), "it has no iss"},
		{"no audience", jwt(`{"iss":"i",` + rest + `}`), "it has no aud"},
		{"an empty audience", jwt(`{"iss":"i","aud":[],` + rest + `}`), "it has no aud"},
		{"another audience", jwt(`{"iss":"i","aud":"other",` + rest + `}`), "it is for another application"},
		{"the issuer's own audience", jwt(`{"iss":"i","aud":"i",` + rest + `}`), "it is for another application"},
		{"another party", jwt(`{"iss":"i","aud":["i","confidential-client"],"azp":"other",` + rest + `}`), "another application asked"},
		{"several audiences and no party", jwt(`{"iss":"i","aud":["other","confidential-client"],` + rest + `}`), "another application asked"},
		{"expired", jwt(`{"iss":"i","aud":"confidential-client","exp":1,"nonce":"n","sub":"s"}`), "expired"},
		{"expired before there were clocks", jwt(`{"iss":"i","aud":"confidential-client","exp":-1e300,"nonce":"n","sub":"s"}`), "expired"},
		{"without an end", jwt(`{"iss":"i","aud":"confidential-client","nonce":"n","sub":"s"}`), "it has no exp"},
		{"another nonce", jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999,"nonce":"m","sub":"s"}`), "another sign-in"},
		{"no nonce", jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999,"sub":"s"}`), "it has no nonce"},
		{"nobody", jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999,"nonce":"n"}`), "who signed in"},
		{"another access token", jwt(`{"iss":"i","aud":"confidential-client","at_hash":"AAAA",` + rest + `}`), "another access token"},
		{"right", jwt(`{"iss":"i","aud":["i","confidential-client"],"azp":"confidential-client",` + rest + `}`), ""},
		{"several audiences and its party", jwt(`{"iss":"i","aud":["other","confidential-client"],"azp":"confidential-client",` + rest + `}`), ""},
		{"an end that is not whole", jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999.5,"nonce":"n","sub":"s"}`), ""},
		{"an end far away", jwt(`{"iss":"i","aud":"confidential-client","exp":1e300,"nonce":"n","sub":"s"}`), ""},
		{"wrong types in what is not checked", jwt(`{"iss":"i","aud":"confidential-client","user_displayname":{"x":1},"scope":7,"amr":"pwd","groups":1,` + rest + `}`), ""},
		{"texts for numbers", jwt(`{"iss":"i","aud":"confidential-client","exp":"99999999999","nonce":"n","sub":"s"}`), ""},
		{"lists of one", jwt(`{"iss":["i"],"aud":["confidential-client"],"azp":["confidential-client"],` + rest + `}`), ""},
		{"a number for a nonce", jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999,"nonce":7,"sub":"s"}`), "another sign-in"},
		{"an object for an audience", jwt(`{"iss":"i","aud":{"confidential-client":1},` + rest + `}`), "its aud cannot be read"},
		{"an audience with an object", jwt(`{"iss":"i","aud":["confidential-client",{}],` + rest + `}`), "its aud cannot be read"},
		{"words for an end", jwt(`{"iss":"i","aud":"confidential-client","exp":"soon","nonce":"n","sub":"s"}`), "its exp cannot be read"},
		{"two issuers", jwt(`{"iss":["i","j"],"aud":"confidential-client",` + rest + `}`), "its iss cannot be read"},
		{"an object for a subject", jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999,"nonce":"n","sub":{}}`), "its sub cannot be read"},
		{"a flag for a hash", jwt(`{"iss":"i","aud":"confidential-client","at_hash":true,` + rest + `}`), "its at_hash cannot be read"},
		{"this access token", jwt(`{"iss":"i","aud":"confidential-client","at_hash":"` + hash + `",` + rest + `}`), ""},
	} {
		a := answer{Access: "the access token", ID: test.raw}
		subject, err := d.checkIDToken(a, "i", "n")
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || err == nil && subject != "s" {
			t.Errorf("%s: %q, %v", test.name, subject, err)
		}
	}
	number := answer{ID: jwt(`{"iss":"i","aud":"confidential-client","exp":99999999999,"nonce":"n","sub":4711}`)}
	if subject, err := d.checkIDToken(number, "i", "n"); err != nil || subject != "4711" {
		t.Errorf("a subject that is a number: %q, %v", subject, err)
	}
	// The device flow has no nonce, and may have no ID token.
	if _, err := d.checkIDToken(answer{}, "i", ""); err != nil {
		t.Error(err)
	}
}
