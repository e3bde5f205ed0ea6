package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// manualCommand prints the man page, for maintainers of packages.
func manualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "manual",
		Short:  "Print the man page",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manual(cmd.Root()))
			return err
		},
	}
}

// manual returns one man page for all commands, in the macros of man(7).
func manual(root *cobra.Command) string {
	var page strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	say(`.TH %s 1 "" "%s %s"`, strings.ToUpper(root.Name()), root.Name(), helperVersion())
	say(".SH NAME\n%s \\- %s", roff(root.Name()), roff(root.Short))
	say(".SH SYNOPSIS\n.B %s\n[command] [flags]", roff(root.Name()))
	say(".SH DESCRIPTION\n%s", paragraphs(root.Long))
	say(".SH OPTIONS\n%s", verbatim(root.LocalFlags().FlagUsages()))
	say(".SH COMMANDS")
	for _, command := range commandsOf(root) {
		say(".SS %s", roff(command.UseLine()))
		say("%s.", roff(command.Short))
		if command.Long != "" {
			say(".PP\n%s", paragraphs(command.Long))
		}
		if flags := command.LocalNonPersistentFlags(); flags.HasFlags() {
			say(".PP\n%s", verbatim(flags.FlagUsages()))
		}
		if command.Example != "" {
			say(".PP\n%s", verbatim(command.Example))
		}
	}
	return page.String()
}

// commandsOf returns the visible commands below cmd, each followed by its own. The commands
// below completion are left out: they are cobra's, and explained by its help.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && cmd.Name() != "completion" {
			all = append(append(all, sub), commandsOf(sub)...)
		}
	}
	return all
}

func verbatim(text string) string {
	return ".EX\n" + roff(strings.TrimSuffix(text, "\n")) + "\n.EE"
}

func paragraphs(text string) string { return strings.ReplaceAll(roff(text), "\n\n", "\n.PP\n") }

// roff escapes text for a man page. A line must not begin with a control character.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	text = strings.ReplaceAll(text, "\n.", "\n\\&.")
	return strings.ReplaceAll(text, "\n'", "\n\\&'")
}
