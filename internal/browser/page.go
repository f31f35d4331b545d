package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Page is a tab.
type Page struct {
	b       *Browser
	session string
	// trouble is what pages should not have: exceptions, errors on the console, violations of
	// a security policy, dialogs. Guarded by Browser.mu.
	trouble []string
}

// callTimeout bounds each command.
const callTimeout = 30 * time.Second

// NewPage opens an empty tab.
func (b *Browser) NewPage() (*Page, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var target struct{ TargetID string }
	if err := b.call(ctx, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct{ SessionID string }
	err := b.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	if err != nil {
		return nil, err
	}
	p := &Page{b: b, session: attached.SessionID}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		if err := p.call(domain+".enable", nil, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Page) call(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if params == nil {
		params = struct{}{}
	}
	return p.b.call(ctx, p.session, method, params, result)
}

// event notes trouble. The caller holds Browser.mu.
func (p *Page) event(method string, params json.RawMessage) {
	switch method {
	case "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
	case "Log.entryAdded":
		var e struct{ Entry struct{ Level string } }
		if json.Unmarshal(params, &e) == nil && e.Entry.Level != "error" && e.Entry.Level != "warning" {
			return
		}
	case "Runtime.consoleAPICalled":
		var e struct{ Type string }
		if json.Unmarshal(params, &e) == nil && e.Type != "error" && e.Type != "assert" {
			return
		}
	default:
		return
	}
	p.trouble = append(p.trouble, fmt.Sprintf("%s %s", method, params))
}

// Trouble returns what went wrong in the page, and forgets it.
func (p *Page) Trouble() []string {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	t := p.trouble
	p.trouble = nil
	return t
}

// Open goes to a URL and waits until the document is there.
func (p *Page) Open(url string) error {
	var r struct{ ErrorText string }
	if err := p.call("Page.navigate", map[string]any{"url": url}, &r); err != nil {
		return err
	}
	if r.ErrorText != "" {
		return fmt.Errorf("browser: %s: %s", url, r.ErrorText)
	}
	for range 500 {
		var state string
		if err := p.Eval("location.href === 'about:blank' ? '' : document.readyState", &state); err == nil && state == "complete" {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("browser: %s does not finish loading", url)
}

// Eval evaluates JavaScript in the page, awaits it if it is a promise, and stores the value
// in result unless that is nil.
func (p *Page) Eval(script string, result any) error {
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := p.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &r)
	switch {
	case err != nil:
		return err
	case r.ExceptionDetails != nil:
		return fmt.Errorf("browser: %s %s", r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	case result == nil || len(r.Result.Value) == 0:
		return nil
	}
	return json.Unmarshal(r.Result.Value, result)
}

// Type types text where the focus is.
func (p *Page) Type(text string) error {
	return p.call("Input.insertText", map[string]any{"text": text}, nil)
}

// Scripting switches the page's scripts on or off, from the next Open on.
func (p *Page) Scripting(on bool) error {
	return p.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": !on}, nil)
}

// Size sets the size of the window in CSS pixels, and whether it is that of a phone.
func (p *Page) Size(width, height int, phone bool) error {
	scale := 1
	if phone {
		scale = 2
	}
	return p.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}, nil)
}

// Prefer sets a media feature such as prefers-color-scheme.
func (p *Page) Prefer(feature, value string) error {
	return p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": feature, "value": value}}}, nil)
}

// Screenshot returns the window as a PNG, or the whole page.
func (p *Page) Screenshot(whole bool) ([]byte, error) {
	var r struct{ Data string }
	if err := p.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, &r); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(r.Data)
}
