module github.com/opencode-oci-oidc/opencode-oci-oidc

go 1.26.8
