package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCountdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		stop := countdown(&out, time.Now().Add(62*time.Second))
		time.Sleep(2500 * time.Millisecond)
		stop()
		for _, want := range []string{"1:02 left", "1:01 left", "1:00 left"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not shown: %q", want, out.String())
			}
		}
		if !strings.HasSuffix(out.String(), "\r\x1b[K") || strings.Contains(out.String(), "\n") {
			t.Errorf("the line was not cleared: %q", out.String())
		}
	})
}

// A QR code fits into a terminal and is square, as cameras need it.
func TestQRFitsATerminal(t *testing.T) {
	var out bytes.Buffer
	showQR(&out, "https://idcs-0123456789abcdef0123456789abcdef.identity.oraclecloud.com/ui/v1/device")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) > 22 {
		t.Errorf("%d lines are more than a small terminal has", len(lines))
	}
	for _, line := range lines {
		if strings.Count(line, "█")+strings.Count(line, "▀")+strings.Count(line, "▄") == 0 {
			t.Errorf("a line without a mark: %q", line)
		}
	}
}
