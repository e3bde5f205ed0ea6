package main

import (
	"fmt"
	"os"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// ageTokens is the program age.
func ageTokens() {
	err := func() error {
		left, err := time.ParseDuration(os.Args[1])
		if err != nil {
			return err
		}
		places := store.FindPlaces()
		config, err := config.Load(places, ".")
		if err != nil {
			return err
		}
		file := tokens.Open(places, config)
		saved, _, err := file.Load()
		if err != nil {
			return err
		}
		saved.IssuedAt, saved.ExpiresAt = time.Now().Add(left-time.Hour), time.Now().Add(left)
		_, err = file.Save(saved)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
