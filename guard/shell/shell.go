// Package shell reads the texts of commands without running them: what a POSIX shell,
// PowerShell or cmd would run, one after the other, with quotes removed and variables
// expanded as far as a text tells.
package shell

import (
	"errors"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A Command is a simple command of a shell's text: quotes are removed, variables and
// braces expanded. What only a running shell knows, such as the output of another
// command, is [Unknown].
type Command struct {
	Directory string   // where it runs
	Words     []string // assignments included
	Targets   []string // of redirections that write
	Input     []string // here-documents, here-strings, and what an echo before a pipe writes
	Lookup    func(name string) (string, bool)
}

// Unknown stands for any text without a slash: one byte, so that ${x:0:1} keeps it. Package
// expand removes NUL.
const Unknown = "\x1a"

const (
	maxCommands = 5000      // that are judged of one text
	MaxText     = 128 << 10 // bytes
	maxNesting  = 8         // of functions and eval
	maxDepth    = 500
	maxFields   = 1000 // that one word may expand to
	maxValue    = 4096 // bytes of a variable; a longer one is unknown
)

var (
	errTooLong = errors.New("it is too long")
	errTooDeep = errors.New("its parts are nested too deep")
)

// A Reader has each command of a text judged. It stops at the first reason against one.
type Reader struct {
	Judge     func(Command) string
	Lookup    func(name string) (string, bool) // the environment, and the shell's own variables
	Absolute  func(name, directory string) string
	Home      string
	Directory string // where the text runs

	// Nested judges the text of a substitution for Windows, which may be for any shell.
	Nested func(text, directory string) string
}

// wrappers run the command that follows them.
var wrappers = []string{
	"sudo", "doas", "env", "nohup", "nice", "time", "timeout", "command", "builtin", "exec", "stdbuf", "setsid", "busybox", "xargs", "call", "start",
}

// ProgramOf returns the name of the program that a command runs, without its directory
// and in lower case, and what follows it.
func ProgramOf(words []string) (name string, args []string) {
	for i, word := range words {
		base := BaseName(word)
		if variable, _, assigned := strings.Cut(word, "="); assigned && syntax.ValidName(variable) ||
			slices.Contains(wrappers, base) || strings.HasPrefix(word, "-") || isDuration(word) {
			continue
		}
		return base, words[i+1:]
	}
	return "", nil
}

// BaseName is the name of a program, without its directory and in lower case.
func BaseName(word string) string {
	return strings.TrimSuffix(strings.ToLower(path.Base(Slashed(word))), ".exe")
}

// isDuration tells the argument of timeout and nice.
func isDuration(word string) bool { return word == "" || word[0] >= '0' && word[0] <= '9' }

// IsOperand reports whether an argument is no option.
func IsOperand(arg string) bool { return !strings.HasPrefix(arg, "-") || arg == "-" }

// Slashed returns a path with slashes, on every platform: commands for Windows are
// judged by their text.
func Slashed(path string) string { return strings.ReplaceAll(path, `\`, "/") }
