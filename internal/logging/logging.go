// Package logging provides the [slog.Logger] of the process, which writes to a file that only
// its owner can read.
//
// Logging starts before the configuration is read, at level INFO, because problems with the
// configuration are the most frequent ones; [Log.Configure] then changes to the configured
// level and file. If the log cannot be written, the program goes on without it.
//
// Secrets are redacted in four ways: by type (secret.Text), by attribute name, by value (any
// secret that this process has seen), and by form (anything that looks like a JSON Web Token
// or a Bearer header).
package logging

import (
	"io"
	"log/slog"

	"github.com/lmittmann/tint"
)

// Log is the log of one process. It is safe for concurrent use.
type Log struct {
	*slog.Logger
	level slog.LevelVar
	file  file
}

// Open returns the log for the file at path, at level INFO. The file is created with the first
// record. If path is "", nothing is written.
func Open(path string) *Log {
	l := &Log{file: file{path: path}}
	l.Logger = slog.New(l.fileHandler())
	return l
}

// AlsoTo returns a logger that writes to the log and, from the given level on, to w in a form
// for a terminal, with or without colours.
func (l *Log) AlsoTo(w io.Writer, level slog.Level, colour bool) *slog.Logger {
	terminal := tint.NewTextHandler(w, &tint.Options{
		Level: level, NoColor: !colour, TimeFormat: "15:04:05.000", ReplaceAttr: redact,
	})
	return slog.New(slog.NewMultiHandler(l.fileHandler(), terminal))
}

func (l *Log) fileHandler() slog.Handler {
	return slog.NewTextHandler(&l.file, &slog.HandlerOptions{Level: &l.level, ReplaceAttr: redact})
}

// Configure changes the level and the file. If bound is true, nothing is written while any
// part of path is a symbolic link.
func (l *Log) Configure(level slog.Level, path string, bound bool) {
	l.level.Set(level)
	l.file.move(path, bound)
}

// Path returns the file's path.
func (l *Log) Path() string {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	return l.file.path
}

// Close closes the file. A later record opens it again.
func (l *Log) Close() {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	l.file.close()
}
