package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: needs Chromium\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    a_test.go:9: it is on fire\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    a_test.go:11: said in passing\n"}
{"Action":"pass","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Output":"coverage: 90.0% of statements\n"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p"}
`
	var out, skips strings.Builder
	ok, err := report(strings.NewReader(events), &out, &skips)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		t.Error("a failed test was reported as success")
	}
	if got, want := out.String(), "    a_test.go:9: it is on fire\nFAIL\n"; got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
	if got, want := skips.String(), "p TestA: needs Chromium\n"; got != want {
		t.Errorf("skips %q, want %q", got, want)
	}
}
