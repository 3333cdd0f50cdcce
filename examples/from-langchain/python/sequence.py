from langchain.chains import LLMChain, SequentialChain
from langchain_core.prompts import PromptTemplate
from langchain_openai import OpenAI

llm = OpenAI()
diagnosis = LLMChain(
    llm=llm,
    prompt=PromptTemplate.from_template("What is broken? {message}"),
    output_key="diagnosis",
)
offer = LLMChain(
    llm=llm,
    prompt=PromptTemplate.from_template("Write to {name}: we repair this. {diagnosis}"),
    output_key="offer",
)
chain = SequentialChain(
    chains=[diagnosis, offer],
    input_variables=["name", "message"],
    output_variables=["diagnosis", "offer"],
)

outputs = chain.invoke({"name": "Ada", "message": "My brakes squeal."})
print(outputs["diagnosis"])
print(outputs["offer"])
