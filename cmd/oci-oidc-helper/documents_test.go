package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/jsonc"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// documents returns the documents by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("docs/ has %v (%v)", paths, err)
	}
	texts := map[string]string{}
	for _, path := range append(paths, "../../README.md", "../../SECURITY.md", "../../npm-shim/README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	return texts
}

var jsonBlock = regexp.MustCompile("(?ms)^ *```jsonc?\n(.*?)^ *```$")

// The helper checks each configuration in the documents. Other JSON must be valid JSON.
func TestConfigurationsInDocuments(t *testing.T) {
	c := newComputer(t)
	c.write(".secrets/oci-client-secret", "a secret\n")
	c.setenv("OCI_CLIENT_ID", "0123456789abcdef0123456789abcdef")
	c.setenv("OCI_CLIENT_SECRET", "a secret")
	values := strings.NewReplacer("idcs-…", "idcs-0123456789abcdef0123456789abcdef", `"…"`, `"0123456789abcdef"`)
	configurations := 0
	for path, text := range documents(t) {
		for _, block := range jsonBlock.FindAllStringSubmatch(text, -1) {
			if !json.Valid(jsonc.ToJSON([]byte(block[1]))) {
				t.Errorf("%s: this is not JSON:\n%s", path, block[1])
			}
			if !strings.Contains(block[1], `"domain_url"`) {
				continue
			}
			configurations++
			// Only the administrator's file may have this key.
			text := strings.Replace(values.Replace(block[1]), `"managed": true,`, "", 1)
			c.write(".config/opencode/"+config.Name, text)
			if stdout, stderr, code := c.run("config", "validate"); code != exitOK {
				t.Errorf("%s: the helper refuses\n%s\n%s%s", path, block[1], stdout, stderr)
			}
		}
	}
	if configurations < 6 {
		t.Errorf("the documents have only %d configurations", configurations)
	}
}

var inlineCommand = regexp.MustCompile("`oci-oidc-helper ([^`]+)`")

// Each command inside a sentence of the documents can be parsed. Those in code blocks are run
// by the tests in e2e.
func TestCommandsInDocuments(t *testing.T) {
	commands := 0
	for path, text := range documents(t) {
		for _, match := range inlineCommand.FindAllStringSubmatch(text, -1) {
			args := strings.Fields(match[1])
			if strings.Contains(match[1], "COMMAND") || strings.Contains(match[1], " does not fit ") {
				continue // the form of commands in general; a message
			}
			commands++
			root := (&app{places: store.FindPlaces(), log: logging.Open("")}).rootCommand(nil)
			command, rest, err := root.Find(args)
			if err != nil || command == root && !slices.Contains(args, "--stdio") {
				t.Errorf("%s: there is no command %s: %v", path, match[1], err)
			} else if err := command.ParseFlags(rest); err != nil {
				t.Errorf("%s: %s: %v", path, match[1], err)
			}
		}
	}
	if commands < 35 {
		t.Errorf("the documents have only %d commands", commands)
	}
}
