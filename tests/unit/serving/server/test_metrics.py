"""The text for Prometheus, after prometheus_exporter_test.cc."""

from hilir.serving.server.telemetry.metrics import Counter, Histogram, Metrics, exponential_buckets


def test_counter_and_gauge():
    counter = Counter("/test/path/total", ("name",))
    counter.add("abc", amount=2)
    assert list(counter.lines()) == ["# TYPE :test:path:total counter", ':test:path:total{name="abc"} 2']
    gauge = Counter("/test/path/gauge", ("x", "y"), kind="gauge")
    gauge.set("abc", "def", to=5)
    assert list(gauge.lines())[1] == ':test:path:gauge{x="abc",y="def"} 5'


def test_histogram_limits_are_exclusive():
    histogram = Histogram("/test/path/histogram", ("status",), exponential_buckets(1, 2, 10))
    for value in (2, 20, 200):
        histogram.add("good", value=value)
    counts = [line.rsplit(" ", 1) for line in list(histogram.lines())[1:12]]
    limits = ["1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "+Inf"]
    assert counts == [
        [f':test:path:histogram_bucket{{status="good",le="{limit}"}}', count]
        for limit, count in zip(limits, "00111222333", strict=True)
    ]
    assert list(histogram.lines())[12:] == [
        ':test:path:histogram_sum{status="good"} 222',
        ':test:path:histogram_count{status="good"} 3',
    ]


def test_names_and_values_are_cleaned():
    counter = Counter("0/path-total_count", ("my-name+1",))
    counter.add('"abc\\"')
    assert list(counter.lines()) == [
        "# TYPE _0:path:total_count counter",
        '_0:path:total_count{my_name_1="\\"abc\\\\\\""} 1',
    ]


def test_clients_cannot_make_series_without_bound():
    metrics = Metrics()
    names = {metrics.model_label(f"scan{number}", known=False) for number in range(500)}
    assert len(names) == 101
    assert metrics.model_label("scan499", known=True) == "scan499"
    counter = Counter("x", ("a",))
    for number in range(5000):
        counter.add(str(number))
    assert len(counter.cells) <= 2001


def test_every_metric_has_a_type_line_before_any_request():
    assert "# TYPE :tensorflow:serving:request_count counter" in Metrics().page()
