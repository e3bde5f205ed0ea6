package opencode

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// denyRules are rules for OpenCode's own permissions that keep agents away from secrets, as
// patterns to deny. OpenCode applies them before it calls the guard, and shows them to the
// person. The guard recognises more than they do.
type denyRules []struct {
	permission string
	patterns   []string
}

func denyRulesFor(p store.Places, protected guard.Protected, worktree string) denyRules {
	hidden := append(slices.Clone(protected.Trees), protected.Files...)
	// Whether OpenCode compares absolute paths or those relative to the worktree depends on its version.
	named := func(paths []string) (patterns []string) {
		for _, path := range paths {
			patterns = append(patterns, filepath.ToSlash(path), filepath.ToSlash(path)+"/*")
			if inside, err := filepath.Rel(worktree, path); err == nil {
				patterns = append(patterns, filepath.ToSlash(inside), filepath.ToSlash(inside)+"/*")
			}
		}
		return patterns
	}
	var outside []string
	commands := []string{"*oci-oidc-helper token*"}
	for _, path := range hidden {
		outside = append(outside, filepath.ToSlash(path)+"/*")
		for _, name := range namesInShell(p, path) {
			commands = append(commands, "*"+name+"/*", "* "+name, "* "+name+" *")
		}
	}
	return denyRules{
		{"read", named(hidden)},
		{"edit", named(append(slices.Clone(hidden), protected.ReadOnly...))},
		{"external_directory", outside},
		{"bash", commands},
	}
}

// namesInShell returns the usual ways to write a path in a command.
func namesInShell(p store.Places, path string) []string {
	names := []string{filepath.ToSlash(path)}
	if inHome, err := filepath.Rel(p.Home, path); err == nil && p.Home != "" && !strings.HasPrefix(inHome, "..") {
		names = append(names, "~/"+filepath.ToSlash(inHome), "$HOME/"+filepath.ToSlash(inHome))
	}
	return names
}

// A permissionRule is one of the person's own rules.
type permissionRule struct {
	pattern string
	action  json.RawMessage // "allow", "ask" or "deny"
}

// addTo adds the rules to a value of OpenCode's "permission". OpenCode takes the last rule
// that matches, and reads the rules of "*" and of the tool as one list in the order in which
// they are written. Therefore the person's last rule for everything is put before these
// rules, and their specific rules after it are put behind these rules, where they take
// precedence. Rules that the person's rule for everything overrides are left out.
func (r denyRules) addTo(permission json.RawMessage) json.RawMessage {
	var all ordered
	var word string
	switch {
	case len(permission) == 0 || string(permission) == "null":
	case json.Unmarshal(permission, &word) == nil:
		all = ordered{{"*", permission}}
	case json.Unmarshal(permission, &all) != nil:
		return permission // OpenCode says what is wrong with it
	}
	for _, rule := range r {
		written := writtenFor(all, rule.permission)
		var list ordered
		if last := lastForEverything(written); last >= 0 {
			list.set("*", written[last].action)
			written = written[last+1:]
		}
		for _, pattern := range rule.patterns {
			if !slices.ContainsFunc(written, func(own permissionRule) bool { return own.pattern == pattern }) {
				list.set(pattern, json.RawMessage(`"deny"`))
			}
		}
		for _, own := range written {
			list.setLast(own.pattern, own.action)
		}
		all.setLast(rule.permission, encode(list))
	}
	return encode(all)
}

// addToAgents adds the rules to the agents that have rules of their own.
func (r denyRules) addToAgents(agents json.RawMessage) json.RawMessage {
	var all ordered
	if json.Unmarshal(agents, &all) != nil {
		return agents
	}
	for i, m := range all {
		var agent ordered
		if json.Unmarshal(m.value, &agent) != nil || agent.get("permission") == nil {
			continue
		}
		agent.set("permission", r.addTo(agent.get("permission")))
		all[i].value = encode(agent)
	}
	return encode(all)
}

// writtenFor returns the person's rules for a permission, in the order in which OpenCode
// applies them.
func writtenFor(all ordered, permission string) (rules []permissionRule) {
	for _, m := range all {
		if !matchesWildcard(m.key, permission) {
			continue
		}
		var list ordered
		if json.Unmarshal(m.value, &list) != nil {
			rules = append(rules, permissionRule{"*", m.value})
			continue
		}
		for _, one := range list {
			rules = append(rules, permissionRule{one.key, one.value})
		}
	}
	return rules
}

// lastForEverything returns the index of the last rule for everything, which overrides all
// rules before it, or -1.
func lastForEverything(rules []permissionRule) int {
	for i := len(rules) - 1; i >= 0; i-- {
		if rules[i].pattern != "" && strings.Trim(rules[i].pattern, "*") == "" {
			return i
		}
	}
	return -1
}

// matchesWildcard compares as OpenCode does: * stands for any text, ? for any character.
func matchesWildcard(pattern, text string) bool {
	expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	matched, _ := regexp.MatchString(`(?s)^`+expression+`$`, text)
	return matched
}
