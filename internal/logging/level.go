package logging

import (
	"log/slog"
	"math"
	"slices"
	"strings"
)

// The two levels that slog does not have.
const (
	LevelVerbose = slog.LevelDebug - 4
	LevelNone    = slog.Level(math.MaxInt)
)

// Levels are the names of the levels in the configuration, from the fewest records to the most.
var Levels = []string{"NONE", "ERROR", "WARN", "INFO", "DEBUG", "VERBOSE"}

var levels = []slog.Level{LevelNone, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, LevelVerbose}

// ParseLevel returns the level with the given name, in any case.
func ParseLevel(name string) (level slog.Level, ok bool) {
	i := slices.Index(Levels, strings.ToUpper(name))
	if i < 0 {
		return 0, false
	}
	return levels[i], true
}

// LevelName returns the name of a level.
func LevelName(level slog.Level) string {
	if i := slices.Index(levels, level); i >= 0 {
		return Levels[i]
	}
	return level.String()
}
