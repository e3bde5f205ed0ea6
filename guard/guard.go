// Package guard keeps an agent's tools away from secrets: it denies tool calls that would
// open a file with a secret or print a token, and lists the secrets that must be redacted
// from the results of calls.
package guard

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// toolArgs are the arguments of OpenCode's tools that can name files.
type toolArgs struct {
	FilePath  string `json:"filePath"`
	Path      string `json:"path"`
	Pattern   string `json:"pattern"`
	Include   string `json:"include"`
	Command   string `json:"command"`
	Workdir   string `json:"workdir"`
	PatchText string `json:"patchText"`
}

// harmlessTools are the tools that open no file, whatever their arguments.
var harmlessTools = []string{
	"task", "subagent", "skill", "todowrite", "todoread", "question", "webfetch", "websearch", "oci_oidc_status", "oci_oidc_refresh",
}

// maxTime is the time for judging one tool call. A usual one takes a few milliseconds.
const maxTime = 5 * time.Second

// Deny returns the reason for denying a tool call, or "" to allow it. It knows the tools of
// OpenCode 1 and 2, which have different names for the same arguments. Of any other tool it
// judges every argument that may be a path or a command.
func (g *Guard) Deny(tool string, args json.RawMessage) string {
	judge := *g
	judge.looked, judge.until = map[string][]place{}, time.Now().Add(maxTime)
	g = &judge
	var a toolArgs
	// The error is ignored: Unmarshal reads the other arguments if one has a wrong type.
	_ = json.Unmarshal(args, &a)
	switch tool {
	case "read", "lsp":
		return g.denyPath(g.absolute(cmp.Or(a.FilePath, a.Path)), false)
	case "edit", "write", "multiedit":
		return g.denyPath(g.absolute(cmp.Or(a.FilePath, a.Path)), true)
	case "list":
		return g.denyPath(g.absolute(a.Path), false)
	case "apply_patch", "patch":
		return g.denyPatch(a.PatchText)
	case "glob":
		return g.denyGlob(a.Pattern, g.absolute(a.Path))
	case "grep":
		return g.denyGrep(a.Include, g.absolute(a.Path))
	case "bash", "shell":
		directory := g.absolute(a.Workdir)
		if reason := g.denyPath(directory, false); reason != "" {
			return reason
		}
		return g.denyShell(a.Command, directory)
	default:
		if slices.Contains(harmlessTools, tool) {
			return ""
		}
		var all any
		_ = json.Unmarshal(args, &all)
		return g.denyUnknown("", all)
	}
}

// DenyPermission returns the reason for denying a permission request of OpenCode 2, or "" to
// allow it. Its resources are paths with links resolved, unlike the arguments of the tool
// call.
func (g *Guard) DenyPermission(action string, resources []string) string {
	for _, resource := range resources {
		var args toolArgs
		switch action {
		case "read", "edit":
			args.Path = resource
		case "shell":
			args.Command = resource
		default:
			continue // the resource is a pattern or a name; Deny judges the tool call itself
		}
		text, _ := json.Marshal(args)
		if reason := g.Deny(action, text); reason != "" {
			return reason
		}
	}
	return ""
}

// denyUnknown judges the arguments of a tool that is not OpenCode's own: every string that
// may be a path or a command.
func (g *Guard) denyUnknown(key string, value any) string {
	switch value := value.(type) {
	case map[string]any:
		for key, value := range value {
			if reason := g.denyUnknown(key, value); reason != "" {
				return reason
			}
		}
	case []any:
		for _, value := range value {
			if reason := g.denyUnknown(key, value); reason != "" {
				return reason
			}
		}
	case string:
		switch strings.ToLower(key) {
		case "command", "cmd", "script", "shell", "args":
			return g.denyShell(value, g.directory)
		case "code":
			return g.denyCode(value, g.directory)
		}
		if len(value) <= 4096 && !strings.Contains(value, "\n") {
			return g.denyPath(g.absolute(value), false)
		}
	}
	return ""
}

// denyPatch judges the files in a patch, in OpenCode's format or that of diff.
func (g *Guard) denyPatch(text string) string {
	for _, match := range patchedFile().FindAllStringSubmatch(text, -1) {
		name := strings.TrimSpace(match[1])
		for _, name := range []string{name, strings.TrimPrefix(strings.TrimPrefix(name, "a/"), "b/")} {
			if reason := g.denyPath(g.absolute(name), true); reason != "" {
				return reason
			}
		}
	}
	return ""
}

var patchedFile = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*(?:\*\*\* (?:(?:Add|Update|Delete) File|Move to):|---|\+\+\+) (.+)$`)
})
