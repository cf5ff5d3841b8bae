package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const answerWithin = 3 * time.Second

// The pods are on the sandbox's own network, to which no proxy leads.
var client = &http.Client{Timeout: answerWithin, Transport: &http.Transport{Proxy: nil}}

// endpoint is where a container tells its metrics, in Prometheus' format.
type endpoint struct {
	Port int    `json:"port"`
	Path string `json:"path"`
}

func (e endpoint) read(ctx context.Context, address string) (map[string]*dto.MetricFamily, error) {
	path := e.Path
	if path == "" {
		path = "/metrics"
	}
	url := "http://" + net.JoinHostPort(address, strconv.Itoa(e.Port)) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(answer.Body)
}

// of is the gauge's value. Of several series, which a filter of labels would choose from, none is taken.
func (g gauge) of(families map[string]*dto.MetricFamily) (float64, error) {
	name := g.PrometheusMetricName
	if name == "" {
		name = g.Name
	}
	family, ok := families[name]
	if !ok {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	if family.GetType() != dto.MetricType_GAUGE {
		return 0, fmt.Errorf("%s is no gauge", name)
	}
	if len(family.Metric) != 1 {
		return 0, fmt.Errorf("%s has %d series", name, len(family.Metric))
	}
	amount := family.Metric[0].GetGauge().GetValue()
	if math.IsNaN(amount) || math.IsInf(amount, 0) {
		return 0, fmt.Errorf("%s is %v", name, amount)
	}
	return amount, nil
}
