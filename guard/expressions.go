package guard

import (
	"regexp"
	"sync"
)

// expressions returns the regular expressions for commands and paths. They are compiled together,
// when the first is needed.
var expressions = sync.OnceValue(func() (e struct {
	// feedsNames matches what takes names of files, or commands, from the output of another command.
	feedsNames *regexp.Regexp
	// listsForReader matches a list of files whose value a reader of PowerShell takes, as in
	// gc (gci ~ -r).
	listsForReader *regexp.Regexp
	// shellCode matches the words before code for a POSIX shell.
	shellCode *regexp.Regexp
	// directoryOption matches an option with the directory in which a program works.
	directoryOption *regexp.Regexp
	// matchesDots matches the options of shells with which wildcards match a leading dot.
	matchesDots *regexp.Regexp
	// secretsInCode matches .secrets in code, unless it is a member (x.secrets) or a part of a name.
	secretsInCode *regexp.Regexp
	// belowOption matches options of Windows with /s, /e or /mir: /s/q.
	belowOption *regexp.Regexp
	// beforePaths matches the options of GNU and BSD find that stand before the paths.
	beforePaths *regexp.Regexp
	// tarMode matches an option of tar that says what it does: by the letter, or a word.
	tarMode *regexp.Regexp
	// processFiles matches the files below /proc that reveal a process's environment, memory, open
	// files and view of the disk. Any name is taken for the process: a number, self, or other.
	processFiles *regexp.Regexp
	// collatingClass matches a name with [[.x.]] or [[=x=]], which package pattern cannot compile.
	collatingClass *regexp.Regexp
}) {
	e.feedsNames = regexp.MustCompile(`xargs|parallel|cpio|\b(?:read|mapfile|readarray)\b|-T\s*-|--files0?-from|\|\s*(?:\S*/)?(?:ba|da|z|k)?sh\b`)
	list, reader := `(?:[(=]|\bin)\s*(?:gci|get-childitem|ls|dir)\b`, `(?:^|[^\w-])(?:gc|get-content|type|cat|sls|select-string|cp|cpi|copy|copy-item)\s`
	e.listsForReader = regexp.MustCompile(`(?s)` + reader + `.*` + list + `|` + list + `.*` + reader)
	e.shellCode = regexp.MustCompile(`(?:^|/)(?:ba|da|z|k)?sh -\w*c$`)
	e.directoryOption = regexp.MustCompile(`^(?:--(?:directory|chdir|cd|work-tree)=|-C|/[dD](?:\b|$))(.+)$`)
	e.matchesDots = regexp.MustCompile(`(?i)^(?:(?:no_?)?dot_?glob|glob_?dots|GLOBIGNORE=.*)$`)
	e.secretsInCode = regexp.MustCompile(`(?:^\s*|[^\w)\]\s]|[^|:\s]\s+)\.secrets(?:[^\w.-]|$)`)
	e.belowOption = regexp.MustCompile(`(?i)^(?:/\w+)*/(?:s|e|mir)(?:/|$)`)
	e.beforePaths = regexp.MustCompile(`^-(?:[HLPEXdsxf]+|[OD].*|-)$`)
	e.tarMode = regexp.MustCompile(`^(?:-?[^-bfCFgHIKLNTVX]*?([ctxruA])|--(create|append|update|concatenate|catenate|extract|get|list)$)`)
	e.processFiles = regexp.MustCompile(`(?i)^/proc/[^/]+/(.*/)?(environ|mem|fd|root|cwd|map_files|auxv|syscall)(/|$)`)
	e.collatingClass = regexp.MustCompile(`[^/]*\[[^]/]*\[[.=][^/]*`)
	return e
})
