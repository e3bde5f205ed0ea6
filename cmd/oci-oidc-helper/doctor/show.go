package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A Printer prints findings, grouped under headings.
type Printer struct {
	W      io.Writer
	Colour bool
	group  string
}

var marks = map[State]struct{ sign, colour string }{
	OK: {"✓", "32"}, Warning: {"!", "33"}, Failure: {"✗", "31"}, Skipped: {"-", "2"},
}

// Show prints one finding.
func (p *Printer) Show(f Finding) {
	if f.Group != p.group {
		if p.group != "" {
			fmt.Fprintln(p.W)
		}
		p.group = f.Group
		fmt.Fprintln(p.W, p.paint("1", f.Group))
	}
	mark := marks[f.State]
	fmt.Fprintf(p.W, "  %s %s: %s\n", p.paint(mark.colour, mark.sign), f.Check, f.Message)
	for _, detail := range f.Details {
		fmt.Fprintf(p.W, "      %s\n", p.paint("2", detail))
	}
	if f.Hint != "" {
		fmt.Fprintf(p.W, "    → %s\n", f.Hint)
	}
}

func (p *Printer) paint(colour, text string) string {
	if !p.Colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// bundleLogLines is how many lines of the log a bundle contains.
const bundleLogLines = 200

// Bundle returns the report as a text to attach to an issue, with the configuration and the
// end of the log. It contains no secrets, and nothing that identifies the person or the
// company: no names, hosts, client ID or home directory.
func (r Report) Bundle(places store.Places, directory string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "oci-oidc-helper doctor, %s, %s, %s\n\n", r.Version, r.Platform, r.Time.Format("2006-01-02"))
	printer := Printer{W: &text}
	for _, finding := range r.Findings {
		printer.Show(finding)
	}
	logFile := places.LogFile
	config, err := config.Load(places, directory)
	if err == nil {
		logFile = config.LogFile
		fmt.Fprintf(&text, "\nConfiguration\n%s", config.Redacted())
	}
	fmt.Fprintf(&text, "\nThe end of the log\n%s\n", strings.Join(lastLines(logFile, bundleLogLines), "\n"))
	return anonymous(logging.Redact(text.String()), places, config)
}

// anonymous removes what identifies the person or the company.
func anonymous(text string, places store.Places, config config.Config) string {
	var pairs []string
	hosts := map[string]string{config.ClientID: "[client]", hostOf(config.DomainURL): "[domain]", hostOf(config.From): "[publisher]"}
	for _, e := range config.Endpoints() {
		hosts[hostOf(e.BaseURL)] = "[endpoint]"
	}
	for _, name := range network.ProxyVariables[:3] {
		for _, value := range []string{os.Getenv(name), os.Getenv(strings.ToLower(name))} {
			if proxy, err := network.ParseProxy(value); proxy != nil && err == nil {
				hosts[proxy.Hostname()] = "[proxy]"
			}
		}
	}
	for from, to := range hosts {
		// A loopback address identifies nobody, and is a part of other texts.
		if from != "" && from != "localhost" && !strings.HasPrefix(from, "127.") {
			pairs = append(pairs, from, to)
		}
	}
	if places.Home != "" && places.Home != "/" {
		home, _ := json.Marshal(places.Home) // escaped as in the configuration
		pairs = append(pairs, places.Home, "~", strings.Trim(string(home), `"`), "~")
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	for _, private := range []struct{ shape, instead string }{
		{`(\bsubject=)("[^"]*"|\S+)`, "${1}[person]"},
		{`(signed in as )[^,\n]+`, "${1}[person]"},
		{`idcs-[0-9a-fA-F]{8,}`, "[domain]"},
	} {
		text = regexp.MustCompile(private.shape).ReplaceAllString(text, private.instead)
	}
	// A plugin's entry, name@version, is not an e-mail address.
	email := regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`)
	return email.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, pluginName+"@") {
			return found
		}
		return "[email]"
	})
}
