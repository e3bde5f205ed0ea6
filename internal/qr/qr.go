// Package qr draws an address for a phone's camera, in the characters of a
// terminal. It promises a code as small as the address allows, since a dialog has
// few lines, and draws nothing where an address has no place in a code.
package qr

import (
	"strings"

	"rsc.io/qr/coding"
)

// quiet is the bright margin, in modules. The standard wants 4; cameras are
// content with less, and lines are few.
const quiet = 2

// Lines draws the address: two rows of modules a line, a character wide. What is
// bright in the code is drawn, what is dark is left blank, so it wants to be
// shown in a bright colour on a dark ground. It is nil if the address is too long.
func Lines(address string) []string {
	code := encode(address)
	if code == nil {
		return nil
	}
	var lines []string
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var line strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1)
			switch {
			case upper && lower:
				line.WriteRune(' ')
			case upper:
				line.WriteRune('▄')
			case lower:
				line.WriteRune('▀')
			default:
				line.WriteRune('█')
			}
		}
		lines = append(lines, line.String())
	}
	return lines
}

// encode returns the smallest code that holds the address. Scheme and host mean
// the same in capitals (RFC 3986, 6.2.2.1), for which a code needs less room.
func encode(address string) *coding.Code {
	scheme, rest, _ := strings.Cut(address, "://")
	host, path := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host, path = rest[:end], rest[end:]
	}
	parts := []coding.Encoding{coding.Alpha(strings.ToUpper(scheme + "://" + host)), coding.String(path)}
	if parts[0].Check() != nil {
		parts = []coding.Encoding{coding.String(address)}
	}
	for version := coding.Version(coding.MinVersion); version <= coding.MaxVersion; version++ {
		bits := 0
		for _, part := range parts {
			bits += part.Bits(version)
		}
		if bits > 8*version.DataBytes(coding.L) {
			continue
		}
		plan, err := coding.NewPlan(version, coding.L, 0)
		if err != nil {
			return nil
		}
		code, err := plan.Encode(parts...)
		if err != nil {
			return nil
		}
		return code
	}
	return nil
}
