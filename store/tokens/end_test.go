package tokens

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// TestEndIsToldOncePerMoment lets a session's time pass in steps and tells the person at each
// step at which they must be told.
func TestEndIsToldOncePerMoment(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	for name, test := range map[string]struct {
		lasts time.Duration   // from the moment at which the end becomes known
		looks []time.Duration // when somebody looks, before the end
		tells []bool
	}{
		"a week":                 {7 * day, []time.Duration{7 * day, 25 * hour, day, 23 * hour, 61 * time.Minute, hour, time.Minute, 0, -hour}, []bool{false, false, true, false, false, true, false, false, false}},
		"a working day":          {8 * hour, []time.Duration{8 * hour, 2 * hour, hour, hour - 1}, []bool{false, false, true, false}},
		"just a day":             {day, []time.Duration{day, 2 * hour, 59 * time.Minute}, []bool{false, false, true}},
		"half an hour":           {hour / 2, []time.Duration{hour / 2, time.Minute, 0}, []bool{false, false, false}},
		"asleep over one moment": {7 * day, []time.Duration{2 * day, 5 * hour, 4 * hour, hour}, []bool{false, true, false, true}},
		"asleep over both":       {7 * day, []time.Duration{2 * day, hour / 2, time.Minute}, []bool{false, true, false}},
		"asleep over the end":    {7 * day, []time.Duration{2 * day, -hour}, []bool{false, false}},
		"a clock that is set back after each message": {7 * day, []time.Duration{day, 2 * day, day, 23 * hour, hour, 3 * hour, hour}, []bool{true, false, false, false, true, false, false}},
	} {
		began := time.Now()
		e := End{At: began.Add(test.lasts), Of: SignOn, Since: began}
		for i, before := range test.looks {
			now := e.At.Add(-before)
			if got := e.Due(now); got != test.tells[i] {
				t.Errorf("%s: %s before the end: due is %t", name, before, got)
			} else if got {
				e.Told = now
			}
			if near := test.lasts > hour && 0 < before && before <= hour; e.Near(now) != near {
				t.Errorf("%s: %s before the end: near is %t", name, before, !near)
			}
		}
	}
	if (End{}).Due(time.Now()) || (End{}).Near(time.Now()) {
		t.Error("an end that is not known is near")
	}
}

func TestEndAfterAnAnswer(t *testing.T) {
	now := time.Now()
	in := func(hours time.Duration, of string) End {
		return End{At: now.Add(hours * time.Hour), Of: of, Since: now}
	}
	told := in(1, RefreshToken)
	told.Since, told.Told = now.Add(-9*time.Hour), now
	signOn := in(8, SignOn)
	signOn.Told = now
	late := End{At: told.At.Add(20 * time.Second), Of: RefreshToken, Since: now}
	for name, test := range map[string]struct {
		before, said End
		sameToken    bool
		want         End
	}{
		"nothing is known":                          {},
		"it becomes known":                          {said: signOn, want: signOn},
		"it is the same, a few seconds apart":       {before: told, said: late, want: told},
		"it is moved":                               {before: told, said: in(10, RefreshToken), want: in(10, RefreshToken)},
		"it comes nearer":                           {before: in(10, RefreshToken), said: in(5, RefreshToken), want: in(5, RefreshToken)},
		"a token of which nothing is said":          {before: told},
		"the same token, of which nothing is said":  {before: told, sameToken: true, want: told},
		"no ID token":                               {before: signOn, want: signOn},
		"the same sign-on session":                  {before: signOn, said: in(8, SignOn), want: signOn},
		"another sign-on session":                   {before: signOn, said: in(16, SignOn), want: in(16, SignOn)},
		"a refresh token matters more":              {before: signOn, said: in(8, RefreshToken), want: in(8, RefreshToken)},
		"a sign-on session matters less":            {before: told, said: signOn, sameToken: true, want: told},
		"of another token nothing, but the sign-on": {before: told, said: signOn, want: signOn},
	} {
		if got := test.before.Then(test.said, test.sameToken); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// TestSavedEnds: the end is saved with the tokens, and whatever the file says about it, the
// tokens are usable.
func TestSavedEnds(t *testing.T) {
	file := testFile(t)
	end := End{At: time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC), Of: SignOn, Since: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)}
	if _, err := file.Save(Tokens{Access: secret.New("access"), ExpiresAt: time.Now().Add(time.Hour), End: end}); err != nil {
		t.Fatal(err)
	}
	if loaded, _, err := file.Load(); err != nil || loaded.End != end {
		t.Fatalf("%+v, %v", loaded.End, err)
	}
	text, err := os.ReadFile(file.Path())
	if err != nil {
		t.Fatal(err)
	}
	begin := strings.Index(string(text), `"end": {`)
	after := begin + strings.Index(string(text[begin:]), "}") + 1
	for _, odd := range []string{
		`null`, `7`, `"soon"`, `[]`, `{}`, `{"at":7}`, `{"at":"soon"}`, `{"at":"2031-01-02T03:04:05Z","told":true}`,
		`{"at":"9999-12-31T23:59:59-12:00","of":"singleSignOn"}`, `{"at":"2031-01-02T03:04:05Z","since":"9999-12-31T23:59:59-12:00"}`,
	} {
		if err := os.WriteFile(file.Path(), []byte(string(text[:begin])+`"end": `+odd+string(text[after:])), 0o600); err != nil {
			t.Fatal(err)
		}
		if loaded, _, err := file.Load(); err != nil || loaded.Access.Reveal() != "access" || loaded.End != (End{}) {
			t.Errorf("%s: %+v, %v", odd, loaded.End, err)
		}
	}
	// As an earlier release has written it.
	if err := os.WriteFile(file.Path(), []byte(string(text[:begin])+strings.TrimPrefix(string(text[after:]), ",")), 0o600); err != nil {
		t.Fatal(err)
	}
	if loaded, _, err := file.Load(); err != nil || loaded.Access.Reveal() != "access" || loaded.End != (End{}) {
		t.Errorf("%+v, %v", loaded.End, err)
	}
}
