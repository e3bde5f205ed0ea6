package idtoken

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"testing"
)

func TestAccessTokenHash(t *testing.T) {
	const access = "token"
	half := func(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) }
	s256, s384, s512 := sha256.Sum256([]byte(access)), sha512.Sum384([]byte(access)), sha512.Sum512([]byte(access))
	for algorithm, hash := range map[string]string{
		"RS256": half(s256[:]), "ES384": half(s384[:]), "PS512": half(s512[:]), "EdDSA": half(s512[:]),
	} {
		token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+algorithm+`"}`)) + ".e30."
		if !hashes(token, hash, access) || hashes(token, hash, access+"x") || hashes(token, "", access) {
			t.Errorf("%s: wrong", algorithm)
		}
	}
	for _, header := range []string{`{"alg":"none"}`, `{}`, `x`} {
		if hashes(base64.RawURLEncoding.EncodeToString([]byte(header))+".e30.", half(s256[:]), access) {
			t.Errorf("%s: taken", header)
		}
	}
}
