package domaintest

import (
	"strconv"
	"testing"
	"time"
)

func TestShelfDropsOldEntries(t *testing.T) {
	var full shelf[int]
	now := time.Now()
	for i := range shelfLimit {
		full.put(strconv.Itoa(i), i, now, now.Add(time.Duration(i%2)*time.Hour))
	}
	full.put("one more", 1, now, now.Add(time.Hour))
	if len(full) != shelfLimit/2+1 {
		t.Errorf("%d things are left after the expired ones", len(full))
	}
	for i := range shelfLimit {
		full.put("again "+strconv.Itoa(i), i, now, now.Add(time.Hour))
	}
	if _, ok := full.get("again "+strconv.Itoa(shelfLimit-1), now); !ok || len(full) > shelfLimit {
		t.Errorf("%d things, the newest kept: %v", len(full), ok)
	}
}
