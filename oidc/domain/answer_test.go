package domain

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// TestOddAnswers has a row for each deviation of a token response from RFC 6749. A refresh
// keeps the tokens in the response, because the old refresh token is used up. The lifetime
// is from expires_in, else from the token's exp, else defaultLifetime, and never longer than
// from the token's iat to its exp.
func TestOddAnswers(t *testing.T) {
	const (
		hour   = time.Hour
		silent = defaultLifetime
	)
	// The stand-in's clock begins at the year 2000 (testing/synctest).
	until := jwt(`{"exp":946686600,"sub":"s"}`) // half an hour later
	half := jwt(`{"iat":946684000,"exp":946685800}`)
	none, future := jwt(`{"iat":946684000,"exp":946684000}`), jwt(`{"iat":1893456000,"nbf":1893456000,"exp":1893459600}`)
	member := func(odd string) string {
		return `{"access_token":"brought","token_type":"Bearer",` + odd + `"refresh_token":"successor"}`
	}
	for name, test := range map[string]struct {
		body     string
		cut      bool // the connection is cut after the body
		access   string
		refresh  string
		lifetime time.Duration
		inDoubt  bool // the old refresh token may be used up
		odd      bool // something is logged
		refused  bool // at a sign-in
	}{
		"regular":                     {body: member(`"expires_in":3600,`), lifetime: hour},
		"a minute":                    {body: member(`"expires_in":60,`), lifetime: time.Minute},
		"a day":                       {body: member(`"expires_in":86400,`), lifetime: 24 * hour},
		"a fraction":                  {body: member(`"expires_in":3600.0,`), lifetime: hour},
		"a real fraction":             {body: member(`"expires_in":3600.87,`), lifetime: hour},
		"an exponent":                 {body: member(`"expires_in":3.6e3,`), lifetime: hour},
		"a text":                      {body: member(`"expires_in":"3600",`), lifetime: hour, odd: true},
		"a fraction in a text":        {body: member(`"expires_in":"3600.0",`), lifetime: hour, odd: true},
		"an empty text":               {body: member(`"expires_in":"",`), lifetime: silent, odd: true},
		"words":                       {body: member(`"expires_in":"soon",`), lifetime: silent, odd: true},
		"null":                        {body: member(`"expires_in":null,`), lifetime: silent, odd: true},
		"a list":                      {body: member(`"expires_in":[3600],`), lifetime: silent, odd: true},
		"none":                        {body: member(``), lifetime: silent, odd: true},
		"zero":                        {body: member(`"expires_in":0,`), lifetime: silent, odd: true},
		"negative":                    {body: member(`"expires_in":-3600,`), lifetime: silent, odd: true},
		"absurd":                      {body: member(`"expires_in":1e12,`), lifetime: silent, odd: true},
		"more than a number holds":    {body: member(`"expires_in":1e400,`), lifetime: silent, odd: true},
		"the token's own end":         {body: strings.Replace(member(`"expires_in":"soon",`), "brought", until, 1), access: until, lifetime: hour / 2, odd: true},
		"more than the token's":       {body: strings.Replace(member(`"expires_in":3600,`), "brought", half, 1), access: half, lifetime: hour / 2, odd: true},
		"less than the token's":       {body: strings.Replace(member(`"expires_in":60,`), "brought", half, 1), access: half, lifetime: time.Minute},
		"milliseconds":                {body: strings.Replace(member(`"expires_in":1800000,`), "brought", half, 1), access: half, lifetime: hour / 2, odd: true},
		"a token that ends at once":   {body: strings.Replace(member(`"expires_in":3600,`), "brought", none, 1), access: none, lifetime: hour},
		"issued in the future":        {body: strings.Replace(member(`"expires_in":3600,`), "brought", future, 1), access: future, lifetime: hour},
		"another type at the end":     {body: strings.Replace(member(`"expires_in":3600,`), "Bearer", "DPoP", 1), lifetime: hour, odd: true, refused: true},
		"a type that is a number":     {body: strings.Replace(member(`"expires_in":3600,`), `"Bearer"`, "7", 1), lifetime: hour, odd: true},
		"members nobody needs":        {body: member(`"expires_in":3600,"scope":{"a":[1]},"id_token":7,"x":null,`), lifetime: hour, odd: true},
		"an error beside":             {body: member(`"expires_in":3600,"error":"server_error",`), lifetime: hour, refused: true},
		"an error that is an object":  {body: member(`"expires_in":3600,"error":{"code":1},`), lifetime: hour, odd: true},
		"an empty one behind":         {body: member(`"expires_in":3600,`)[:len(member(`"expires_in":3600,`))-1] + `,"access_token":null,"refresh_token":""}`, lifetime: hour, odd: true},
		"one after another":           {body: `{"access_token":"first",` + member(`"expires_in":3600,`)[1:], lifetime: hour},
		"kept from being a script":    {body: ")]}',\n" + member(`"expires_in":3600,`), lifetime: hour},
		"deep behind":                 {body: member(`"expires_in":3600,`)[:len(member(`"expires_in":3600,`))-1] + `,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}", lifetime: hour, odd: true, refused: true},
		"a comma too many":            {body: strings.Replace(member(`"expires_in":3600,`), "}", ",}", 1), lifetime: hour, odd: true, refused: true},
		"a text that is no UTF-8":     {body: member(`"expires_in":3600,"x":"` + "\xff" + `",`), lifetime: hour},
		"a token in white space":      {body: strings.NewReplacer(`"brought"`, `"brought\n"`, `"successor"`, `" successor "`, `"Bearer"`, `" bearer "`).Replace(member(`"expires_in":3600,`)), lifetime: hour},
		"a loop before":               {body: "for(;;);" + member(`"expires_in":3600,`), lifetime: hour},
		"a callback":                  {body: "/**/callback(" + member(`"expires_in":3600,`) + ");", lifetime: hour},
		"a warning before":            {body: "\nNotice: Undefined index: x in y.php on line 7\n" + member(`"expires_in":3600,`), lifetime: hour},
		"a zero byte before":          {body: "\x00" + member(`"expires_in":3600,`), lifetime: hour},
		"a line break in a text":      {body: member("\"expires_in\":3600,\"x\":\"a\n\tb\","), lifetime: hour},
		"a list of one":               {body: "[" + member(`"expires_in":3600,`) + "]", lifetime: hour},
		"two":                         {body: member(`"expires_in":3600,`) + member(`"expires_in":60,`), lifetime: hour},
		"a form":                      {body: "access_token=brought&token_type=bearer&expires_in=3600&refresh_token=successor&scope=", lifetime: hour, odd: true},
		"not a number":                {body: member(`"expires_in":NaN,`), lifetime: silent, odd: true},
		"no end":                      {body: member(`"expires_in": -Infinity ,`), lifetime: silent, odd: true},
		"a plus":                      {body: member(`"expires_in":+3600,`), lifetime: silent, odd: true},
		"a zero in front":             {body: member(`"expires_in":03600,`), lifetime: silent, odd: true},
		"a unit without quotes":       {body: member(`"expires_in":3600s,`), lifetime: silent, odd: true},
		"a word for null":             {body: `{"access_token":"brought","refresh_token":None,"expires_in":3600,"id_token":undefined}`, refresh: "old", lifetime: hour, odd: true},
		"a word cut off":              {body: `{"access_token":"brought","refresh_token":"successor","expires_in":Na`, lifetime: silent, odd: true, refused: true},
		"a word in a text":            {body: member(`"x":"y\":NaN,","expires_in":3600,`), lifetime: hour},
		"an object":                   {body: member(`"expires_in":{"seconds":3600},`), lifetime: silent, odd: true},
		"a unit":                      {body: member(`"expires_in":"3600s",`), lifetime: silent, odd: true},
		"a date":                      {body: member(`"expires_in":"2026-01-01T00:00:00Z",`), lifetime: silent, odd: true},
		"a time":                      {body: member(`"expires_in":1893456000,`), lifetime: silent, odd: true},
		"white space around a number": {body: member(`"expires_in":" 3600 ",`), lifetime: hour, odd: true},
		"another's names":             {body: member(`"expires_on":"946688400","expires_at":946688400,`), lifetime: silent, odd: true},
		"a byte order mark":           {body: "\xef\xbb\xbf" + member(`"expires_in":3600,`), lifetime: hour},
		"garbage behind":              {body: member(`"expires_in":3600,`) + "<!-- proxy -->", lifetime: hour},
		"cut behind the tokens":       {body: `{"access_token":"brought","refresh_token":"successor","expires_in":36`, lifetime: silent, odd: true, refused: true},
		"a connection cut behind":     {body: `{"access_token":"brought","refresh_token":"successor","expires_in":36`, cut: true, lifetime: silent, odd: true, refused: true},
		"cut before the refresh":      {body: `{"access_token":"brought","expires_in":3600,"refr`, refresh: "old", lifetime: hour, inDoubt: true, odd: true, refused: true},
		"no refresh token":            {body: `{"access_token":"brought","expires_in":3600}`, refresh: "old", lifetime: hour},
		"a refresh token of no shape": {body: `{"access_token":"brought","expires_in":3600,"refresh_token":{"value":"successor"}}`, refresh: "old", lifetime: hour, odd: true},
		"lists of one":                {body: `{"access_token":["brought"],"token_type":["Bearer"],"expires_in":3600,"refresh_token":["successor"]}`, lifetime: hour, odd: true},
		"refreshable without limit":   {body: member(`"expires_in":3600,"refresh_expires_in":0,`), lifetime: hour},
		"refreshable for never":       {body: member(`"expires_in":3600,"refresh_expires_in":-1,`), lifetime: hour, odd: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				d, err := New(config.Config{DomainURL: "https://idcs.example", ClientID: "client", RedirectURIs: []string{"http://localhost/"}},
					slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
				if err != nil {
					t.Fatal(err)
				}
				d.UseTransport(way(func(req *http.Request) (*http.Response, error) {
					body := io.Reader(strings.NewReader(test.body))
					if test.cut {
						body = io.MultiReader(body, iotest.ErrReader(io.ErrUnexpectedEOF))
					}
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), Request: req}, nil
				}))
				d.metadata.Store(&discovery.Metadata{Token: "https://idcs.example/t"})
				old := tokens.Tokens{Access: secret.New("past"), Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}}
				tok, _, err := d.Refresh(t.Context(), old)
				if err != nil {
					t.Fatal(err)
				}
				want := func(text, otherwise string) string {
					if text == "" {
						return otherwise
					}
					return text
				}
				if tok.Access.Reveal() != want(test.access, "brought") || tok.Refresh.Reveal() != want(test.refresh, "successor") || tok.Type != "Bearer" {
					t.Errorf("a refresh brings %q and %q", tok.Access.Reveal(), tok.Refresh.Reveal())
				}
				if life := time.Until(tok.ExpiresAt); life != test.lifetime || tok.RefreshSentAt.IsZero() == test.inDoubt {
					t.Errorf("the token lives %v; in doubt since %v", life, tok.RefreshSentAt)
				}
				if test.odd != (log.Len() > 0) || strings.Contains(log.String(), "brought") || strings.Contains(log.String(), "soon") {
					t.Errorf("logged: %s", log.String())
				}
				// A sign-in may refuse the response, because it uses up no token. If it accepts
				// the tokens, their lifetime is the same as after a refresh.
				signedIn, _, err := d.ClientCredentials(t.Context())
				if refused := err != nil; refused != test.refused {
					t.Errorf("a sign-in ends with %v", err)
				}
				if err == nil && time.Until(signedIn.ExpiresAt) != test.lifetime {
					t.Errorf("after a sign-in the token lives %v", time.Until(signedIn.ExpiresAt))
				}
			})
		})
	}
	for _, body := range []string{`"access_token"`, `"{\"access_token\":\"brought\"}"`, `<br>{"access_token":"brought"}`, `{"access_token":"br`, `null`, ``} {
		d := saysDomain(t, 0, "", body)
		tok, outcome, err := d.Refresh(t.Context(), tokens.Tokens{Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}})
		if err == nil || !tok.Empty() || !outcome.Unknown {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestRefreshReturnsOnlyARefreshToken: Refresh returns both an error and the new refresh
// token.
func TestRefreshReturnsOnlyARefreshToken(t *testing.T) {
	for _, access := range []string{``, `"access_token":null,`, `"access_token":"a\r\nX: 1",`, `"access_token":7,`} {
		d := saysDomain(t, 0, "", `{`+access+`"refresh_token":"successor","token_type":"Bearer"}`)
		old := tokens.Tokens{Access: secret.New("past"), Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}}
		tok, _, err := d.Refresh(t.Context(), old)
		if err == nil || tok.Refresh.Reveal() != "successor" || tok.Access != old.Access {
			t.Errorf("%s: %q and %q, %v", access, tok.Access.Reveal(), tok.Refresh.Reveal(), err)
		}
	}
}

// TestOddDeviceAnswers: the device flow works whatever form expires_in and interval have.
func TestOddDeviceAnswers(t *testing.T) {
	for numbers, want := range map[string][2]time.Duration{
		`"expires_in":900,"interval":7`:      {15 * time.Minute, 7 * time.Second},
		`"expires_in":"900","interval":"7"`:  {15 * time.Minute, 7 * time.Second},
		`"expires_in":900.0,"interval":7.0`:  {15 * time.Minute, 7 * time.Second},
		`"expires_in":"","interval":null`:    {deviceLifetime, devicePoll},
		`"expires_in":{},"interval":"often"`: {deviceLifetime, devicePoll},
		`"x":0`:                              {deviceLifetime, devicePoll},
	} {
		d := saysDomain(t, 0, "", `{"device_code":"d","user_code":"X","verification_uri":"https://idcs.example/d",`+numbers+`}`)
		began := time.Now()
		r, err := d.NewDeviceRequest(t.Context())
		if err != nil {
			t.Errorf("%s: %v", numbers, err)
			continue
		}
		if life := r.ExpiresAt.Sub(began).Round(time.Second); life != want[0] || r.interval != want[1] {
			t.Errorf("%s: lives %v, polled every %v", numbers, life, r.interval)
		}
	}
}

// A device response in odd forms is shown, and its poll goes on or ends as the code says, in
// letters of any case.
func TestOddFormsOfADevicesAnswers(t *testing.T) {
	for answer, want := range map[string]string{ // the user code and the address
		`"device_code":"d","user_code":"AB-CD","verification_uri":"https://idcs.example/d"`:          "AB-CD https://idcs.example/d",
		`"device_code":7,"user_code":1234567,"verification_uri":"https://idcs.example/d"`:            "1234567 https://idcs.example/d",
		`"device_code":["d"],"user_code":["X"],"verification_uri":["https://idcs.example/d"]`:        "X https://idcs.example/d",
		`"device_code":" d ","user_code":" X\n","verification_uri":" https://idcs.example/d "`:       "X https://idcs.example/d",
		`"device_code":"d","user_code":"X","verification_uri":"/ui/v1/device?a=b"`:                   "X https://idcs.example/ui/v1/device?a=b",
		`"device_code":"d","user_code":"X","verification_uri":"//portal.example/d"`:                  "X https://portal.example/d",
		`"device_code":"d","user_code":"X","verification_uri_complete":"https://idcs.example/d?c=X"`: "X https://idcs.example/d?c=X",
		`"device_code":"d","user_code":"X","verification_uri":"ui/v1/device"`:                        "",
		`"device_code":"d","user_code":["X","Y"],"verification_uri":"https://idcs.example/d"`:        "",
		`"device_code":"d","user_code":{"code":"X"},"verification_uri":"https://idcs.example/d"`:     "",
		`"device_code":"d","user_code":"X","verification_uri":["https://a.example","https://b.ex"]`:  "",
	} {
		r, err := saysDomain(t, 0, "", "{"+answer+"}").NewDeviceRequest(t.Context())
		if (err == nil) != (want != "") || err == nil && r.UserCode+" "+r.URL != want {
			t.Errorf("%s: %+v, %v", answer, r, err)
		}
	}
	for _, body := range []string{`{"error":{"code":"Authorization_Pending"}}`, `{"code":"authorization_pending","message":"x"}`, `{"error":{"error":"slow_down"}}`} {
		m, _ := lenient.ReadAnswer([]byte(body))
		if refused := refusalOf(m, &exchange.Exchange{Status: 400}); refused.code != "authorization_pending" && refused.code != "slow_down" {
			t.Errorf("%s: the code is %q", body, refused.code)
		}
	}
	for code, want := range map[string]problem.Kind{
		"authorization_pending": problem.LoginTimeout, "AUTHORIZATION_PENDING": problem.LoginTimeout, "Slow_Down": problem.LoginTimeout,
		"access_denied": problem.LoginDenied, "Access_Denied": problem.LoginDenied, "authorization_declined": problem.LoginDenied,
		"EXPIRED_TOKEN": problem.LoginTimeout, "invalid_request": problem.Domain,
	} {
		synctest.Test(t, func(t *testing.T) {
			d := saysDomain(t, 0, "", `{"device_code":"d","user_code":"X","verification_uri":"https://idcs.example/d"}`)
			r, err := d.NewDeviceRequest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			d.transport = saysDomain(t, 200, "", `{"error":"`+code+`"}`).transport
			began := time.Now()
			_, err = d.AwaitDevice(t.Context(), r)
			goesOn := strings.EqualFold(code, "authorization_pending") || strings.EqualFold(code, "slow_down")
			if problem.From(err).Kind != want || time.Since(began) >= deviceLifetime != goesOn {
				t.Errorf("%s: %v after %v", code, err, time.Since(began))
			}
		})
	}
}

// If the domain answers a poll with invalid_grant, that is about the device code and ends no
// session.
func TestRefusedDeviceCodeEndsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := saysDomain(t, 0, "", `{"device_code":"d","user_code":"X","verification_uri":"https://idcs.example/d"}`)
		r, err := d.NewDeviceRequest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.UseTransport(saysDomain(t, 200, "", `{"error":"invalid_grant"}`).transport)
		if _, err := d.AwaitDevice(t.Context(), r); err == nil || !strings.Contains(err.Error(), "not entered in time, or the domain's answer to it was lost") || errors.Is(err, ErrInvalidGrant) {
			t.Error(err)
		}
	})
}

// TestEndOfTheSession has a row for each way in which an answer can say when the session ends,
// or not. What makes no sense is no claim, and costs nobody their tokens.
func TestEndOfTheSession(t *testing.T) {
	// The clock begins at the year 2000 (testing/synctest).
	const now, hours8 = 946684800, `946713600`
	id := func(end string) string { return `"id_token":"` + jwt(`{"sub":"s"`+end+`}`) + `",` }
	signOn, refresh := 8*time.Hour, 7*24*time.Hour
	for name, test := range map[string]struct {
		members string
		of      string
		in      time.Duration
	}{
		"nothing":                     {``, "", 0},
		"no end in the ID token":      {id(``), "", 0},
		"an ID token of no shape":     {`"id_token":"x.y.z",`, "", 0},
		"the sign-on session":         {id(`,"session_exp":` + hours8), tokens.SignOn, signOn},
		"a fraction":                  {id(`,"session_exp":946713600.7`), tokens.SignOn, signOn},
		"a number in a text":          {id(`,"session_exp":"` + hours8 + `"`), tokens.SignOn, signOn},
		"the ID token's own end":      {id(`,"exp":` + hours8), "", 0},
		"now":                         {id(`,"session_exp":946684800`), "", 0},
		"the past":                    {id(`,"session_exp":946684799`), "", 0},
		"zero":                        {id(`,"session_exp":0`), "", 0},
		"negative":                    {id(`,"session_exp":-946713600`), "", 0},
		"a duration":                  {id(`,"session_exp":28800`), "", 0},
		"milliseconds":                {id(`,"session_exp":` + hours8 + `000`), "", 0},
		"absurdly far":                {id(`,"session_exp":1e300`), "", 0},
		"two years":                   {id(`,"session_exp":1009756800`), "", 0},
		"words":                       {id(`,"session_exp":"soon"`), "", 0},
		"a date":                      {id(`,"session_exp":"2000-01-01T08:00:00Z"`), "", 0},
		"null":                        {id(`,"session_exp":null`), "", 0},
		"a list":                      {id(`,"session_exp":[` + hours8 + `]`), "", 0},
		"the refresh token":           {`"refresh_expires_in":604800,`, tokens.RefreshToken, refresh},
		"by another name":             {`"refresh_token_expires_in":604800,`, tokens.RefreshToken, refresh},
		"in a text":                   {`"refresh_expires_in":"604800",`, tokens.RefreshToken, refresh},
		"both":                        {id(`,"session_exp":`+hours8) + `"refresh_expires_in":604800,`, tokens.RefreshToken, refresh},
		"a refresh token for ever":    {`"refresh_expires_in":0,`, "", 0},
		"a negative life":             {`"refresh_expires_in":-604800,`, "", 0},
		"a life in milliseconds":      {`"refresh_expires_in":604800000,`, "", 0},
		"a time for a life":           {`"refresh_expires_in":947289600,`, "", 0},
		"words for a life":            {`"refresh_expires_in":"soon",`, "", 0},
		"words for a life, and an ID": {id(`,"session_exp":`+hours8) + `"refresh_expires_in":"soon",`, tokens.SignOn, signOn},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := saysDomain(t, 0, "", `{"access_token":"brought","refresh_token":"successor","expires_in":3600,`+test.members+`"token_type":"Bearer"}`)
			d.skew.Store(int64(time.Hour)) // its clock is ahead, so that its ends are nearer
			want := tokens.End{}
			if test.of != "" {
				at := time.Unix(now, 0).UTC().Add(test.in)
				if test.of == tokens.SignOn {
					at = at.Add(-time.Hour)
				}
				want = tokens.End{At: at, Of: test.of, Since: time.Now().UTC()}
			}
			old := tokens.Tokens{Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}}
			tok, _, err := d.Refresh(t.Context(), old)
			if err != nil || tok.Refresh.Reveal() != "successor" || tok.End != want {
				t.Errorf("%s: %+v, want %+v; %v", name, tok.End, want, err)
			}
			a, err := d.readAnswer(&exchange.Exchange{Status: 200, Body: []byte(`{"access_token":"brought","refresh_token":"first",` + test.members + `"expires_in":60}`)})
			if err != nil {
				t.Fatal(err)
			}
			if signedIn, err := d.newTokens(a, tokens.Endpoints{}); err != nil || signedIn.End != want {
				t.Errorf("%s: after a sign-in %+v, want %+v; %v", name, signedIn.End, want, err)
			}
			if signedIn, _, err := d.ClientCredentials(t.Context()); err != nil || signedIn.End != (tokens.End{}) {
				t.Errorf("%s: an application's session ends %+v, %v", name, signedIn.End, err)
			}
		})
	}
}
