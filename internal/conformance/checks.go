package main

// checks are the checks that CONFORMANCE.md promises, mainly in oidc and rpc.
var checks = []check{
	// The authorization request.
	{"the redirect is the registered one", "oidc/domain/code.go", `m.Authorization, redirectURI`, `m.Authorization, redirectURI+"/"`, "TestAuthorizationRequest"},
	{"S256 is sent", "oidc/domain/code.go", `oauth2.S256ChallengeOption(r.verifier)`, `oauth2.SetAuthURLParam("code_challenge", r.verifier)`, "TestAuthorizationRequest"},
	{"the state is new", "oidc/domain/code.go", `state: rand.Text()`, `state: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"`, "TestAuthorizationRequest"},
	{"the state is long", "oidc/domain/code.go", `state: rand.Text()`, `state: rand.Text()[:10]`, "TestAuthorizationRequest"},
	{"the nonce is new", "oidc/domain/code.go", `nonce: rand.Text()`, `nonce: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"`, "TestAuthorizationRequest"},
	{"the verifier is new", "oidc/domain/code.go", `verifier: oauth2.GenerateVerifier()`, `verifier: "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"`, "TestAuthorizationRequest"},

	// Its answer.
	{"the state is this attempt's", "oidc/domain/code.go", `if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {`, `if subtle.ConstantTimeCompare(nil, nil) != 1 {`, "TestStrayRequestsChangeNothing"},
	{"an error has the state", "oidc/domain/code.go", `if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {`, `if query.Get("error") == "" && subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {`, "TestErrorCallbacksNeedTheState"},
	{"no parameter is there twice", "oidc/domain/code.go", `if len(values) > 1 {`, `if len(values) > 99 {`, "TestErrorCallbacksNeedTheState"},
	{"a pasted redirect has the state", "oidc/domain/code.go", `if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {`, `if subtle.ConstantTimeCompare(nil, nil) != 1 {`, "TestPaste"},
	{"iss is the domain's", "oidc/domain/code.go", `&& iss != r.metadata.Issuer {`, `&& iss == "" {`, "TestParse"},
	{"a promised iss is there", "oidc/domain/code.go", `(iss != "" || r.metadata.SendsIssuer)`, `iss != ""`, "TestParse"},
	{"an answer is another domain's", "oidc/domain/code.go", `if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {`, `if subtle.ConstantTimeCompare(nil, nil) != 1 || query.Get("state") == "" {`, "TestTwoDomainsWithOneIssuer"},
	{"the verifier goes with the code", "oidc/domain/code.go", `form.Set("code_verifier", r.verifier)`, `form.Set("code_verifier", "")`, "TestSignInWithBrowser"},
	{"a code is bound to the attempt", "oidc/domain/code.go", `nonce: rand.Text(), verifier: oauth2.GenerateVerifier()`, `nonce: "n", verifier: "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"`, "TestInjectedCodeIsRejected"},

	// The listener.
	{"the first answer alone counts", "oidc/signin/callback.go", `c.claim.Do(func() { first = true })`, `first = true`, "TestFirstCallbackCounts"},
	{"it is closed afterwards", "oidc/signin/callback.go", `	defer c.closeListeners()
	if c.server == nil {
		return
	}`, `	if c.server != nil {
		return
	}`, "TestFirstCallbackCounts"},
	{"it is on loopback", "oidc/signin/callback.go", `return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}`, `return []string{net.JoinHostPort("", port)}`, "TestListenerIsOnLoopbackOnly"},
	{"its port is the registered one", "oidc/signin/callback.go", `return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}`, `return []string{"127.0.0.1:0"}`, "TestPortInUse"},
	{"Host is the registered one", "oidc/signin/callback.go", `case !strings.EqualFold(strings.TrimSuffix(r.Host, ":80"), strings.TrimSuffix(c.redirect.Host, ":80")):`, `case r.Host == "":`, "TestOnlyTheRegisteredRedirectURI"},
	{"the port is in Host", "oidc/signin/callback.go", `case !strings.EqualFold(strings.TrimSuffix(r.Host, ":80"), strings.TrimSuffix(c.redirect.Host, ":80")):`, `case !strings.HasPrefix(c.redirect.Host, strings.Split(r.Host, ":")[0]):`, "TestOnlyTheRegisteredRedirectURI"},
	{"the method is GET", "oidc/signin/callback.go", `case r.Method != http.MethodGet:`, `case r.Method == http.MethodPost:`, "TestOnlyTheRegisteredRedirectURI"},
	{"the path is the registered one", "oidc/signin/callback.go", `case r.URL.EscapedPath() == c.redirect.EscapedPath():`, `case strings.Contains(r.URL.Path, "callback"):`, "TestOnlyTheRegisteredRedirectURI"},
	{"the path is spelled so", "oidc/signin/callback.go", `case r.URL.EscapedPath() == c.redirect.EscapedPath():`, `case r.URL.Path == c.redirect.Path:`, "TestOnlyTheRegisteredRedirectURI"},
	{"a part of another page is none", "oidc/signin/callback.go", `(dest == "" || dest == "document") && !ahead`, `dest != "?" && !ahead`, "TestOnlyNavigationIsACallback"},
	{"a page loaded ahead is none", "oidc/signin/callback.go", `(dest == "" || dest == "document") && !ahead`, `(dest == "" || dest == "document" || ahead)`, "TestOnlyNavigationIsACallback"},
	{"the code leaves the address", "oidc/signin/callback.go", `http.Redirect(w, r, c.resultPath, http.StatusSeeOther)`, `http.Redirect(w, r, c.resultPath+"?"+r.URL.RawQuery, http.StatusSeeOther)`, "TestEveryPageIsHardened"},
	{"Content-Security-Policy", "oidc/signin/callback.go", `h.Set("Content-Security-Policy"`, `h.Set("X-Nothing"`, "TestEveryPageIsHardened"},
	{"Referrer-Policy", "oidc/signin/callback.go", `h.Set("Referrer-Policy"`, `h.Set("X-Nothing"`, "TestEveryPageIsHardened"},
	{"Cache-Control", "oidc/signin/callback.go", `h.Set("Cache-Control"`, `h.Set("X-Nothing"`, "TestEveryPageIsHardened"},
	{"X-Frame-Options", "oidc/signin/callback.go", `h.Set("X-Frame-Options"`, `h.Set("X-Nothing"`, "TestEveryPageIsHardened"},
	{"X-Content-Type-Options", "oidc/signin/callback.go", `h.Set("X-Content-Type-Options"`, `h.Set("X-Nothing"`, "TestEveryPageIsHardened"},
	{"Cross-Origin-Opener-Policy", "oidc/signin/callback.go", `h.Set("Cross-Origin-Opener-Policy"`, `h.Set("X-Nothing"`, "TestEveryPageIsHardened"},
	{"the page escapes", "oidc/signin/pages/pages.go", `html.EscapeString(p.Text)`, `p.Text`, "TestPagesEscapeText"},
	{"connections are limited", "oidc/signin/callback.go", `ConnState:         (&callers{}).note,`, ``, "TestFloodOfConnections"},
	{"headers are limited", "oidc/signin/callback.go", `MaxHeaderBytes:    64 << 10,`, `MaxHeaderBytes: 64 << 20,`, "TestFloodOfConnections"},

	// Endpoints and addresses.
	{"endpoints are the domain's own", "oidc/domain/discovery/discovery.go", `if !Owns(domain, *endpoint.url) && endpoint.url != &m.Keys {`, `if domain == nil {`, "TestEndpointsElsewhere"},
	{"a saved endpoint is the domain's own", "oidc/domain/client.go", `if !discovery.Owns(d.url, address) ||`, `if !discovery.SecureURL(address) ||`, "TestEndpointsElsewhere"},
	{"a host is the whole host", "oidc/domain/discovery/discovery.go", `return host == own ||`, `return strings.HasPrefix(host, own) ||`, "TestHostsOfADomain"},
	{"a tenant is the same", "oidc/domain/discovery/discovery.go", `oracleTenant(host) == oracleTenant(own)`, `oracleTenant(host) != ""`, "TestHostsOfADomain"},
	{"endpoints are https", "oidc/domain/discovery/discovery.go", `return u.Scheme == "https" || u.Scheme == "http" && network.Loopback(u.Hostname())`, `return u.Scheme != "" || network.Loopback(u.Hostname())`, "TestDiscovery"},
	{"http in a discovery document is https", "oidc/domain/discovery/discovery.go", `return Secured(at.String())`, `return at.String()`, "TestAddressesOfADomain"},
	{"addresses are https", "oidc/domain/discovery/discovery.go", `return u.Scheme == "https" || u.Scheme == "http" && network.Loopback(u.Hostname())`, `return u.Scheme != "" || network.Loopback(u.Hostname())`, "TestSecureURL"},
	{"an address has a host and no password", "oidc/domain/discovery/discovery.go", `u.Hostname() == "" || u.User != nil || u.Opaque != "" ||`, ``, "TestSecureURL"},
	{"the browser gets addresses alone", "oidc/signin/browser.go", `!place.Browser() || !discovery.SecureURL(address)`, `!place.Browser() || discovery.SecureURL("")`, "TestOpenBrowser"},
	{"the browser gets no secret", "oidc/connect.go", `signin.OpenBrowser(p.URL, s.config.Environ())`, `signin.OpenBrowser(p.URL, nil)`, "TestBrowserEnvironmentHasNoSecret"},
	{"a name is ASCII", "oidc/domain/discovery/discovery.go", `return r <= ' ' || r > unicode.MaxASCII`, `return r == 0 && r > unicode.MaxASCII`, "TestHostileDomainIsHarmless"},
	{"an address is not endless", "oidc/domain/discovery/discovery.go", ` || len(text) > maxURLSize`, ``, "TestHostileDomainIsHarmless"},
	{"redirects are not followed", "oidc/domain/exchange/exchange.go", `transport.RoundTrip(req)`, `(&http.Client{Transport: transport}).Do(req)`, "TestRedirectsAreNotFollowed"},

	// The device flow.
	{"the client proves itself at the poll", "oidc/domain/device.go", `d.post(ctx, r.client.Endpoint.TokenURL, r.client, form)`, `d.post(ctx, r.client.Endpoint.TokenURL, nil, form)`, "TestSignInWithDevice"},
	{"the interval is bounded", "oidc/domain/device.go", `min(cmp.Or(interval, devicePoll), devicePollMost)`, `cmp.Or(interval, devicePoll)`, "TestDeviceIntervalAndLifetimeAreBounded"},
	{"the code's life is bounded", "oidc/domain/device.go", `min(cmp.Or(lifetime, deviceLifetime), deviceLongest)`, `cmp.Or(lifetime, deviceLifetime)`, "TestDeviceIntervalAndLifetimeAreBounded"},
	{"the address is checked", "oidc/domain/device.go", `if r.code == "" || !discovery.SecureURL(r.URL) {`, `if r.code == "" {`, "TestHostileDomainIsHarmless"},
	{"the user code can be typed", "oidc/domain/device.go", `if r.UserCode == "" || lenient.Printable(r.UserCode, UserCodeSize) != r.UserCode {`, `if r.UserCode == "" {`, "TestHostileDomainIsHarmless"},

	// Tokens.
	{"there is an ID token", "oidc/domain/idtoken.go", `Required: nonce != "" &&`, `Required: nonce == "?" &&`, "TestIDToken"},
	{"iss", "oidc/domain/idtoken/idtoken.go", `case e.Issuer != "" && c.Issuer != e.Issuer:`, `case c.Issuer == "?":`, "TestIDToken"},
	{"aud", "oidc/domain/idtoken/idtoken.go", `case !slices.Contains(c.Audience, e.ClientID):`, `case len(c.Audience) == 99:`, "TestIDToken"},
	{"azp", "oidc/domain/idtoken/idtoken.go", `case c.Party != "" && c.Party != e.ClientID, `, `case `, "TestIDToken"},
	{"azp of several", "oidc/domain/idtoken/idtoken.go", `, c.Party == "" && slices.ContainsFunc(c.Audience, others):`, `, c.Party == "?" && slices.ContainsFunc(c.Audience, others):`, "TestIDToken"},
	{"exp", "oidc/domain/idtoken/idtoken.go", `case e.Now.Add(-clockTolerance).After(c.Expiry.Time()):`, `case e.Now.IsZero():`, "TestIDToken"},
	{"nonce", "oidc/domain/idtoken/idtoken.go", `case e.Nonce != "" && c.Nonce != e.Nonce:`, `case e.Nonce == "?":`, "TestIDToken"},
	{"at_hash", "oidc/domain/idtoken/idtoken.go", `case c.Hash != "" && !hashes(raw, c.Hash, access):`, `case c.Hash == "?":`, "TestIDToken"},
	{"at_hash by the algorithm", "oidc/domain/idtoken/idtoken.go", `case strings.HasSuffix(h.Algorithm, "384"):`, `case strings.HasSuffix(h.Algorithm, "385"):`, "TestAccessTokenHash"},
	{"sub", "oidc/domain/idtoken/idtoken.go", `case c.Subject == "":`, `case c.Subject == "?":`, "TestIDToken"},
	{"a refresh is about the same person", "oidc/domain/domain.go", `if err := idtoken.CheckSamePerson(answer.ID, old.Subject); err != nil {`, `if err := idtoken.CheckSamePerson(answer.ID, ""); err != nil {`, "TestRefreshForAnotherPersonFails"},
	{"the type is Bearer", "oidc/domain/answer.go", `case a.Type != "" && !strings.EqualFold(a.Type, "Bearer"):`, `case a.Type == "?":`, "TestHostileDomainIsHarmless"},
	{"an access token is visible ASCII", "oidc/domain/answer.go", `case !tokenText(a.Access), a`, `case a`, "TestHostileDomainIsHarmless"},
	{"a refresh token is visible ASCII", "oidc/domain/answer.go", `, a.Refresh != "" && !tokenText(a.Refresh):`, `:`, "TestHostileDomainIsHarmless"},
	{"a token is not endless", "oidc/domain/answer.go", `len(text) <= maxTokenSize && `, ``, "TestHostileDomainIsHarmless"},
	{"a malformed answer signs nobody in", "oidc/domain/answer.go", `	case malformed != nil:
		return a, malformed
`, ``, "TestOddAnswers"},
	{"a lifetime as a text is read", "oidc/domain/lenient/lenient.go", `	if raw[0] == '"' {
		m.note(name)
	}
	return time.Duration(number)`, `	if raw[0] == '"' {
		m.note(name)
		number = 0
	}
	return time.Duration(number)`, "TestOddAnswers"},
	{"an absurd lifetime is not believed", "oidc/domain/lenient/lenient.go", `|| number > longest.Seconds()`, ``, "TestOddAnswers"},
	{"the token itself says how long it lives", "oidc/domain/answer.go", `if lifetime == 0 && err == nil {`, `if lifetime == 0 && err != nil {`, "TestOddAnswers"},
	{"an unexpected type loses no tokens at a refresh", "oidc/domain/answer.go", `		d.warnOdd("answer", []string{"token_type"})
`, `		return tok, unusable("its type is odd")
`, "TestOddAnswers"},
	{"tokens before the cut are kept", "oidc/domain/domain.go", `if err != nil && answer.Access+answer.Refresh == "" {`, `if err != nil {`, "TestOddAnswers"},
	{"a refresh token without an access token is kept", "oidc/refresh.go", `	case !fresh.Empty(): // a refresh token without a usable access token
		_ = w.save(fresh)
`, ``, "TestResponseWithOnlyARefreshToken"},
	{"what was told is not quoted", "oidc/domain/transport.go", `	exchange.RememberAsked(header, form)
`, ``, "TestSecretsOfARequestAreNotQuoted"},
	{"what was asked is not logged", "oidc/domain/transport.go", `	exchange.RememberAsked(header, form)
`, ``, "TestEchoedSecretsAreNotLogged"},
	{"what was answered is not logged", "oidc/domain/exchange/exchange.go", `	rememberAnswered(x.Body)
`, ``, "TestEchoedSecretsAreNotLogged"},
	{"state, nonce and verifier are not logged", "oidc/domain/code.go", `secret.Remember(r.state, r.nonce, r.verifier)`, `secret.Remember()`, "TestEchoedSecretsAreNotLogged"},
	{"a project reads no other program's variables", "store/config/check/value.go", `!strings.HasPrefix(variable, "OCI_CLI_")`, `variable != ""`, "TestProjectPathsAreConfined"},
	{"a project's CAs are the confirmed ones", "internal/network/files.go", `s.CASum != "" && hex`, `s.CASum == "?" && hex`, "TestOnlyTheConfirmedCAs"},
	{"a project's CAs are bound", "store/config/trust.go", `if c.Network.CAFile != "" && !c.managed("ca_file") {`, `if c.Network.CAFile == "?" {`, "TestProjectCAsAreTheConfirmedOnes"},
	{"a managed key holds", "store/config/check/managed.go", `values[key].Set(over[key])`, `_ = key`, "TestManagedKeysCannotBeChanged"},
	{"a managed file is the administrator's", "store/config/check/managed.go", `	why := store.Unmanaged(path, p.Administrator)`, `	why := ""`, "TestManagedFileThatOthersCanWriteIsRefused"},
	{"a project reads no other files", "store/config/trust.go", `case !written && !secrets.CageOf(p, c.Path).Holds(`, `case !written && path == "" && !secrets.CageOf(p, c.Path).Holds(`, "TestProjectPathsAreConfined"},
	{"nobody looks inside", "cmd/oci-oidc-helper/main.go", `	keepPrivate()
`, ``, "TestOtherProcessesCannotReadTheHelper"},
	{"what is remembered is bounded", "internal/secret/known.go", `if len(one.text) > longest {`, `if len(one.text) > 1<<30 {`, "TestVeryLongSecrets"},
	{"a project's log stays there", "internal/logging/file.go", `if f.bound && !linkless(f.path) {`, `if f.bound && f.path == "" {`, "TestBoundLogFollowsNoLink"},
	{"a project's log is bound to it", "store/config/trust.go", `c.LogFile, c.LogBound = store.Resolve(c.LogFile), true`, `c.LogFile = store.Resolve(c.LogFile)`, "TestProjectLogFollowsNoNewLink"},
	{"a secret is not logged", "internal/logging/redact.go", `secret.Redact(text)`, `text + secret.Redact("")`, "TestKnownSecretsAreNotLogged"},
	{"control characters", "oidc/domain/lenient/lenient.go", `if unicode.IsPrint(r) {`, `if r != 0 || unicode.IsPrint(r) {`, "TestErrorTextIsMadePrintable"},
	{"an empty member takes nothing away", "oidc/domain/lenient/lenient.go", `			m.note(last) // an empty repetition does not replace the value
			continue`, `			m.note(last)`, "TestOddAnswers"},
	{"what a cache kept is as old as it says", "oidc/domain/exchange/exchange.go", `date = date.Add(time.Duration(seconds * float64(time.Second)))`, ``, "TestAgeOfACachedAnswerIsNoClockSkew"},
	{"an age that is none is not used", "oidc/domain/exchange/exchange.go", `if err != nil || !(seconds >= 0 && seconds <= longest) {`, `if err != nil {`, "TestAgeOfACachedAnswerIsNoClockSkew"},
	{"the clock is read when an answer begins", "oidc/domain/exchange/exchange.go", `	begun(x) // now`, `	defer begun(x) // now`, "TestSlowAnswerIsNoClockSkew"},
	{"what is not HTTP is not quoted", "internal/network/body.go", `phrase = phrase[:end]`, `phrase = phrase[0:]`, "TestAnswersInEveryEncoding"},
	{"an answer is unpacked", "internal/network/body.go", `!bytes.Equal(begin, []byte{0x1f, 0x8b})`, `true || !bytes.Equal(begin, []byte{0x1f, 0x8b})`, "TestAnswersInEveryEncoding"},
	{"an answer's size", "oidc/domain/exchange/exchange.go", `io.LimitReader(resp.Body, maxAnswerSize+1)`, `resp.Body`, "TestOversizedAnswers"},
	{"an answer's time", "oidc/domain/exchange/exchange.go", `context.WithTimeout(ctx, Timeout)`, `context.WithCancel(ctx)`, "TestUnreachable"},
	{"a refresh token is kept", "oidc/domain/answer.go", `tok := old`, `tok := tokens.Tokens{}`, "TestRefreshTokenIsKeptIfNoneIsReturned"},
	{"one refresh for all", "oidc/refresh.go", `func(current cached) bool { return s.replacedByOther(current, replaced) }`, `nil`, "TestOneRefreshForAllCallers"},
	{"nothing is spent before its successor can be saved", "oidc/refresh.go", `if err := w.reserve(false); err != nil && !old`, `if err := w.reserve(false); err != nil && old.Access.Empty() && !old`, "TestNoRefreshIfTokensCannotBeSaved"},
	{"tokens that no file holds may be spent", "oidc/refresh.go", ` && !current.onlyInMemory(s.cache.file)`, ``, "TestSessionInMemory"},
	{"a process that ends does not sign in for nothing", "oidc/connect.go", `} else if !o.InMemory || tokens.KeyringFault(err) {`, `} else if tokens.KeyringFault(err) {`, "TestSessionInMemory"},
	{"a sign-out elsewhere counts", "oidc/cache.go", `!c.Empty() && (stamp.Same(c.stamp) || c.unsaved() && c.stamp.Same(stamp))`, `(stamp.Same(c.stamp) || c.unsaved())`, "TestSignOutElsewhereDropsUnsavedTokens"},
	{"tokens that may be used up are not sent", "oidc/cache.go", `c.behind || !c.stamp.Same(stamp)`, `false`, "TestEveryBranch"},
	{"an unread file is not overwritten", "oidc/cache.go", `case before.behind && !w.signIn:`, `case false:`, "TestUnreadFileIsKept"},
	{"a failed save keeps the predecessors", "oidc/cache.go", `next.saved, next.stamp, next.behind = before.saved, before.stamp, before.behind`, `next.stamp = c.file.Stamp()`, "TestEveryBranch"},
	{"unsaved tokens give way to newer ones", "oidc/cache.go", `stay := c.unsaved() && c.isSuccessorOf(t)`, `stay := c.unsaved()`, "TestUnsavedTokensYieldToNewerOnes"},
	{"unsaved tokens are not lost", "oidc/cache.go", `stay := c.unsaved() && c.isSuccessorOf(t)`, `stay := c.Empty() && c.isSuccessorOf(t)`, "TestUnsavedTokensYieldToNewerOnes"},
	{"a directory that is gone is no sign-out", "store/tokens/file.go", `gone: errors.Is(err, fs.ErrNotExist)}`, `gone: false}`, "TestMissingDirectoryIsNoSignOut"},
	{"a lock is not made for tokens that are gone", "oidc/refresh.go", `s.cache.gone(current) && !s`, `current.withheld && !s`, "TestStateDirectoryRemoved"},
	{"a note of another process is not forgotten", "oidc/cache.go", `later(t.RetryAt, c.RetryAt)`, `c.RetryAt`, "TestUnsavedRefreshTimes"},
	{"the file is read again under the lock", "oidc/cache.go", `	current := c.read(true)
`, `	current := c.get()
`, "TestChangeOfEncryptionKeepsNewerTokens"},
	{"waiting for a lock ends with the session", "oidc/refresh.go", `s.cache.update(s.untilClose, func(current cached)`, `s.cache.update(context.WithoutCancel(s.untilClose), func(current cached)`, "TestCloseStopsWaitingForTheLock"},
	{"refresh honours Retry-After", "oidc/refresh.go", `		if p := s.pausingNow(current); p != nil {
			return p
		}
`, ``, "TestRefreshesAreLimited"},
	{"Retry-After holds for every process", "oidc/refresh.go", `noted.RetryAt = `, `_ = `, "TestRefreshesAreLimited"},
	{"Retry-After ends where the clock was set back", "oidc/refresh.go", ` && left <= longestRetry`, ``, "TestRefreshesAreLimited"},
	{"Retry-After ends with the tokens", "oidc/domain/answer.go", `tok.RefreshSentAt, tok.RetryAt = endpoints, time.Time{}, time.Time{}`, `tok.RefreshSentAt = endpoints, time.Time{}`, "TestRefreshesAreLimited"},
	{"a new token is still valid after it was saved", "oidc/session.go", `	return s.fresh(ctx, current.fingerprint, "")
`, `	err := s.refreshNow(ctx, current.fingerprint)
	return s.cache.get().token(), err
`, "TestTokenExpiresWhileItIsSaved"},
	{"an end that makes no sense is no claim", "oidc/domain/answer.go", `at.After(now) && at.Before(now.Add(longestLifetime))`, `a.ID != ""`, "TestEndOfTheSession"},
	{"an end is told once", "oidc/end.go", `			current.End.Told = time.Now().UTC().Round(0)
`, ``, "TestOneProcessTellsTheEnd"},
	{"an end is not told of what a refresh may move", "oidc/session.go", `valid && current.End.Due(now)`, `current.End.Due(now)`, "TestNoEndIsToldOfWhatARefreshMayMove"},
	{"what is noted of tokens is no token", "oidc/cache.go", `return !same(c.Tokens, c.saved)`, `return c.Tokens != c.saved`, "TestUnsavedRefreshTimes"},
	{"what is noted of tokens is not forgotten", "oidc/cache.go", `same(t, c.Tokens) && c.Tokens != c.saved {`, `same(t, c.Tokens) && c.unsaved() {`, "TestUnsavedRefreshTimes"},
	{"a token in doubt is not risked by refresh", "oidc/session.go", `case !current.RefreshSentAt.IsZero() && !s`, `case current.RefreshSentAt.IsZero() && !s`, "TestRefreshesAreLimited"},
	// Checks whose removal the explorer in oidc finds, too, although it tests none of them by name.
	{"a refresh token without an access token is found lost", "oidc/domain/domain.go", `if err != nil && answer.Access+answer.Refresh == "" {`, `if err != nil {`, "TestEveryBranch"},
	{"an odd type is found to lose no tokens", "oidc/domain/answer.go", `		d.warnOdd("answer", []string{"token_type"})
`, `		return tokens.Tokens{}, unusable("its type is odd")
`, "TestEveryBranch"},
	{"tokens of another process are found overwritten", "oidc/cache.go", `	current := c.read(true)
`, `	current := c.get()
`, "TestEveryBranch"},
	{"tokens are found written after a sign-out elsewhere", "oidc/cache.go", `!c.Empty() && (stamp.Same(c.stamp) || c.unsaved() && c.stamp.Same(stamp))`, `(stamp.Same(c.stamp) || c.unsaved())`, "TestEveryBranch"},
	{"a brake is found not to hold", "oidc/refresh.go", `		if p := s.pausingNow(current); p != nil {
			return p
		}
`, ``, "TestEveryBranch"},
	{"Retry-After is found unknown to another process", "oidc/refresh.go", `noted.RetryAt = `, `_ = `, "TestEveryBranch"},
	{"a token in doubt is found risked", "oidc/session.go", `case !current.RefreshSentAt.IsZero() && !s`, `case current.RefreshSentAt.IsZero() && !s`, "TestEveryBranch"},
	{"a process that ends is found not to save", "oidc/session.go", `		s.rewrite(ctx)
`, `		_ = ctx
`, "TestEveryBranch"},
	{"a damaged file is found to end a session", "oidc/cache.go", `		c.saved = tokens.Tokens{} // the`, `		c = tokensOf(tokens.Tokens{}, stamp) // the`, "TestEveryBranch"},
	{"a process that ends looks at the file", "oidc/session.go", `if current := s.cache.latest(); current.Tokens != current.saved {`, `if current := s.cache.get(); current.Tokens != current.saved {`, "TestFileDamagedWhileTokensAreInMemory"},
	{"times are of the wall clock", "oidc/domain/answer.go", `now := time.Now().Round(0)`, `now := time.Now()`, "TestTimesUseTheWallClock"},
	{"a doubt is of the wall clock", "oidc/refresh.go", `started := time.Now().Round(0)`, `started := time.Now()`, "TestTimesUseTheWallClock"},
	{"Retry-After is of the wall clock", "oidc/refresh.go", `noted.RetryAt = time.Now().Round(0)`, `noted.RetryAt = time.Now()`, "TestTimesUseTheWallClock"},
	{"an unconfirmed configuration ends its session", "rpc/server.go", `		s.calls.Go(s.sessions.Close) // no token is lent for it either
`, ``, "TestUnconfirmedConfigurationEndsItsSession"},
	{"an unconfirmed configuration has no session", "rpc/server.go", `		s.calls.Go(s.sessions.Close) // no token is lent for it either
		s.sessions = nil
`, `		s.calls.Go(s.sessions.Close)
`, "TestUnconfirmedConfigurationEndsItsSession"},
	{"room is synced", "store/files.go", `if err = errors.Join(err, file.Sync()); err != nil {`, `if err != nil {`, "TestSaveSyncsBeforeItRenames"},
	{"tokens are synced", "store/files.go", `if err = errors.Join(err, d.file.Sync()); err != nil {`, `if err != nil {`, "TestSaveSyncsBeforeItRenames"},
	{"the directory is synced", "store/files.go", `	SyncDir(filepath.Dir(d.path))
`, ``, "TestSaveSyncsBeforeItRenames"},
	{"a process that ends saves once more", "oidc/session.go", `		s.rewrite(ctx)
`, `		_ = ctx
`, "TestCloseSavesTokens"},
	{"a command tells of tokens that are not saved", "cmd/oci-oidc-helper/token.go", `return unsaved(session)`, `return nil`, "TestUnsavedTokensAreReported"},
	{"refresh tells of tokens that are not saved", "cmd/oci-oidc-helper/refresh.go", `return unsaved(session)`, `return nil`, "TestUnsavedTokensAreReported"},
	{"a closed pipe is no death", "cmd/oci-oidc-helper/signals_unix.go", `syscall.SIGHUP, syscall.SIGPIPE}`, `syscall.SIGHUP}`, "TestReaderLeavesDuringARefresh"},
	{"a signal ends the wait for a lock", "cmd/oci-oidc-helper/interrupt.go", `if slices.Contains(ends, s) {`, `if s == nil && slices.Contains(ends, s) {`, "TestSignals"},
	{"a terminal that is closed is no death", "cmd/oci-oidc-helper/signals_unix.go", `os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE}`, `os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE}`, "TestSignalsWhileSaving"},
	{"pauses grow", "oidc/refresh.go", `failures: failures + 1`, `failures: failures`, "TestPausesGrowWithEachFailure"},
	{"tokens not put in place are found", "store/tokens/tokens.go", `			stamp.other = true
			return draft, stamp, nil
`, `			stamp.other = draft.Empty()
`, "TestDraftIsLoadedIfNewer"},
	{"each save is later than the one before", "store/tokens/tokens.go", `t.SavedAt = before.SavedAt.Add(1)`, `_ = before`, "TestDraftIsLoadedIfNewer"},
	{"drafts are in the order of their saves", "store/tokens/tokens.go", `draft.SavedAt.After(newest.SavedAt)`, `draft.IssuedAt.After(newest.IssuedAt)`, "TestDraftIsLoadedIfNewer"},
	{"a draft stands in for a damaged file", "store/tokens/tokens.go", `if err == nil || Damaged(err) || KeyLost(err) {`, `if err == nil {`, "TestDraftIsLoadedIfNewer"},
	{"tokens not put in place are kept", "store/tokens/tokens.go", `if err != nil && r.draft.Keep() {`, `if err == nil && r.draft.Keep() {`, "TestDraftIsKeptIfRenamingFails"},
	{"room is made", "store/tokens/tokens.go", `size = max(size, 2*info.Size())`, `_ = info`, "TestReserveMakesRoom"},
	{"only invalid_grant ends a session", "oidc/refresh.go", `case errors.Is(err, domain.ErrInvalidGrant) && !old.Refresh.Empty():`, `case err != nil || errors.Is(err, domain.ErrInvalidGrant):`, "TestFailedRefreshes"},
	{"invalid_grant ends it", "oidc/refresh.go", `case errors.Is(err, domain.ErrInvalidGrant) && !old.Refresh.Empty():`, `case errors.Is(err, domain.ErrInvalidGrant) && old.Refresh.Empty():`, "TestTheDomainEndsTheSession"},
	{"signing out revokes", "oidc/connect.go", `if !current.Refresh.Empty() {
			if err := s.domain.Revoke`, `if current.Refresh.Empty() {
			if err := s.domain.Revoke`, "TestDisconnect"},

	// The conversation with the shim.
	{"a token comes with its endpoint", "rpc/methods.go", `known.session == session {`, `known.session != nil {`, "TestTokenComesWithItsEndpoint"},
	{"no token goes through a proxy in the clear", "rpc/opencode/endpoint.go", `runtime == Bun && seenByProxy(to)`, `runtime == "?" && seenByProxy(to)`, "TestEnvironmentIsCheckedBeforeATokenIsGiven"},
	{"the endpoint's certificate is checked", "rpc/opencode/endpoint.go", `unchecked == "0" && runtime == Node`, `unchecked == "?" && runtime == Node`, "TestEnvironmentIsCheckedBeforeATokenIsGiven"},
	{"a session is given up only where the token is meant", "rpc/explain.go", `token, err = session.Another(ctx, p.Fingerprint)`, `token, err = session.Token(ctx, p.Fingerprint)`, "TestExplainRefusals"},
	{"a line's length", "rpc/lines/lines.go", `if len(long) > MaxLine && err == nil {`, `if len(long) > 10*MaxLine && err == nil {`, "TestBadLines"},
	{"UTF-8", "rpc/lines/lines.go", `err != nil || !utf8.Valid(line) || (`, `err != nil || (`, "TestBadLines"},
	{"a panic is answered", "rpc/server.go", `if fault := recover(); fault != nil {`, `if fault := error(nil); fault != nil {`, "TestPanicIsAnsweredWithAnError"},
	{"a panic gives nothing away", "rpc/server.go", `Message: "something went wrong inside; the log has the details"`, `Message: fmt.Sprint(fault)`, "TestPanicIsAnsweredWithAnError"},
	{"the version", "rpc/lines/lines.go", `case e.Version != "2.0":`, `case e.Version == "?":`, "TestBadLines"},
	{"the id", "rpc/lines/lines.go", `case !idOK:`, `case !idOK && e.Version == "?":`, "TestBadLines"},
	{"the params", "rpc/lines/lines.go", `case len(e.Params) > 0 && e.Params[0] != '{'`, `case len(e.Params) > 99 && e.Params[0] != '{'`, "TestBadLines"},
}

// A check is a piece of code, and the test that fails without it.
type check struct {
	what     string // what the code ensures
	file     string
	old, new string // the code, which must occur once in the file, and its replacement
	test     string // name of a test in the file's package, or in another one of its room
}
