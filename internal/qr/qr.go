// Package qr draws a URL as a QR code in the characters of a terminal. The code is as small
// as possible, because OpenCode's dialogs have few lines.
package qr

import (
	"strings"

	"rsc.io/qr/coding"
)

// quiet is the width of the bright margin, in modules. The standard requires 4, but cameras
// read the code with 2, which saves two lines.
const quiet = 2

// Lines returns the lines of the code for an address, or nil if the address is too long. Each
// character is one module wide and two modules high. Bright modules are drawn and dark ones
// left blank, so show the lines in a bright colour on a dark background.
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

// encode returns the smallest code for the address, or nil. It writes scheme and host in
// capitals, which mean the same (RFC 3986, 6.2.2.1) and need less space in a QR code.
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
