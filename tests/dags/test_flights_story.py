"""The whole loop on real flights, each DAG run in this process: the same story that the demo plays on a real Airflow."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.dags

ROOT = Path(__file__).parents[2]
DATA = ROOT / "include" / "data"


@pytest.fixture
def play(dag_bag):
    """Run a DAG to its end and give its task instances' states by task."""

    defaults = {dag_id: dag.params.dump() for dag_id, dag in dag_bag.dags.items()}

    def run(dag_id: str, **conf: object) -> dict[str, str]:
        dag = dag_bag.dags[dag_id]
        done = dag.test(run_conf={**defaults[dag_id], **conf})  # a run leaves its conf behind in the DAG's params
        states = {ti.task_id: str(ti.state) for ti in done.get_task_instances()}
        return {**states, "run": str(done.state)}

    return run


def test_the_loop_closes(play, tmp_path):
    import time
    def step(*a, **k):
        t=time.time(); r=play(*a,**k); print("STEP",a,k,r,round(time.time()-t,1),flush=True); return r
    for month in ("01", "02", "03"):
        step("flights_dataops", batch=f"2013-{month}")
        step("flights_labels", batch=f"2013-{month}")
    step("flights_training")
    for month in ("04","05","06","07","08"):
        if month > "04": step("flights_labels", batch=f"2013-{int(month)-1:02}")
        if month=="05":
            spec = importlib.util.spec_from_file_location("break_batch", DATA / "break_batch.py")
            m = importlib.util.module_from_spec(spec); spec.loader.exec_module(m)
            pq.write_table(m.broken(pq.read_table(DATA/"flights/2013-05.parquet")), tmp_path/"b.parquet")
            step("flights_dataops", batch="2013-05", source=str(tmp_path/"b.parquet"))
            step("flights_scoring")
            step("flights_monitoring", batch="2013-05")
        step("flights_dataops", batch=f"2013-{month}")
        step("flights_scoring")
        step("flights_monitoring")
        from xops.hooks.retrain_requests import RetrainRequests
        d=RetrainRequests("flights_delay").decisions()[-1]; print("DECISION",d)
        if d["decision"]=="retrain": step("flights_training")
        if month=="07": step("flights_training", shuffle_labels=True)
    step("flights_rollback", to="previous", reason="x")
    step("flights_rollback", to="3", reason="x")
    from xops.hooks.promotion_log import PromotionLog
    for e in PromotionLog("flights_delay").read(): print(e)
    from xops.hooks.evidence_store import EvidenceStore
    for c in ("evaluation","performance","drift"):
        for e in EvidenceStore().about(c,"flights_delay"): print(c,e.batch,str(e.verdict)[:300], {k:v for k,v in e.verdict.facts.items() if 'auc' in k})
    assert 0
